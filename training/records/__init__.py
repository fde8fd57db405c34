"""Pictures with what is known of them: public layouts, duplicates, how a face looks."""
