"""How work gets done, whatever it is about: no noun is known here."""
