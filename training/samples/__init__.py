"""Samples: what the networks are trained on.

`dataset.py` reads a prepared split into memory. `scenes.py` makes batches for the detector,
`mask_crops.py` for the mask classifier and `gender_crops.py` for the gender head, with the drawn
masks of `synthetic_masks.py` and the camera faults of `augmentation.py`. Begin with `dataset.py`.
"""
