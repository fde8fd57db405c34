"""The networks in PyTorch, their losses and their checkpoints."""
