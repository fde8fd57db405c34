"""The edge: the camera at the door, and the judgement of the people in front of it.

A frame takes this way, and the modules are named for its stations:

    sources → camera → faces → masks → tracking → outbox → courier → client ─▶ cloud

Begin to read in `pipeline.py`, which is the loop over frames, and in `values.py`, which has what
the stations hand to one another. `installation.py` puts all parts together. Around this way are:

- the models: `loaded_models`, `manifest`, `sidecar`, `inference`, `decoding`, `resizing`, and
  `attributes` for counts by gender;
- the door: `signals` for people, `preview` for an operator who watches, `dispatcher` between them
  and the pipeline;
- the lock: `door` reads the codes of passes and opens for each once;
- the cloud: `enrolment`, `identity`, `commands` and `gate_settings`;
- the operation: `settings`, `state`, `health`, `logs`, `output_capture`, `errors`;
- secrets: `redaction` hides passwords and tokens in all output;
- the commands: `__main__`, `console`, `detection`, `doctor`, `bench`.

`docs/edge.md` says how to run the edge.
"""

__version__ = "0.1.0"
