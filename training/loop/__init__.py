"""The training loop, what each model learns in it, and the record of a run."""
