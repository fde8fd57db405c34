"""Models as OpenVINO graphs, ours and the peers': building, writing, quantising, running."""
