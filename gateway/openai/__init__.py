"""What clients speak: the Images API of OpenAI, in all its dialects."""
