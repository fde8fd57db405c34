"""The workshop that makes Maskgate's models. It shares no Python with the edge: the model file is
the contract.
"""
