"""From a run to the edge: the export, the 8-bit models, the model card and the report."""
