"""What the pages share; no noun is known here."""
