"""How Django writes times where the console does not: like the console, with the zone."""

DATETIME_FORMAT = "Y-m-d H:i:s T"
