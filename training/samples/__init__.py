"""What the networks are trained on: scenes, crops, augmentation, drawn masks."""
