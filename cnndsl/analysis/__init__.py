"""Works out what a network costs and sees: numbers, memory, receptive fields."""
