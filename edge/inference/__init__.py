"""Inference: models are checked, compiled and run. The one package that imports OpenVINO.

docs/decisions/0001-model-contract.md lists what a model file says about itself. Begin with
`network`, which runs a model. `loading` reads a model's files, and `processor` knows the machine.
"""
