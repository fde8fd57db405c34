"""From a run to the edge, the model card and the report."""
