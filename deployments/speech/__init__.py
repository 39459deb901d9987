"""Speech recognition: recordings in, segments of text out (deployments/contracts/speech.py).

    source -> decoding (a child for each) -> 16 kHz samples -> windows of <= 30 s -> recognition
    (one child, which holds the model) -> plausible segments

`engine.SpeechEngine` is the SpeechRecognizer of a process; `models.find_model` finds its model.
"""
