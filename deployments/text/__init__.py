"""What texts hold: personal data and the language. Flows in: text. Flows out: spans, languages."""
