"""How faithful samples are: recipes x recordings x seeds at equal CPU minutes, and known truths."""
