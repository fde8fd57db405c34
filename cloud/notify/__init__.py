"""Getting word to people: one file for each channel, and the texts that they carry."""
