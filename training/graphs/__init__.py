"""Models as OpenVINO runs them: export, eight bits, installed models, peers."""
