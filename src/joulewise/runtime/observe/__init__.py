"""Where steps begin and end in a program that does not say so: by a marker in its log, or by the rhythm of a sensor."""
