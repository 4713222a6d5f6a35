"""An emulator of Amazon Rekognition Custom Labels for tests and the demo.

It answers the four operations that the pipeline calls, from a state machine that runs in virtual time
and from labels that are really read from the pixels. Run it with ``python -m tests.rig.emulator --help``.

It goes wrong when a test wants it to: models by their settings (``model.py``), calls by faults (``faults.py``).

What it cannot show: how accurate a trained model is, IAM permissions, signatures, and whatever AWS does
not document (each such choice is named where it is made).
"""
