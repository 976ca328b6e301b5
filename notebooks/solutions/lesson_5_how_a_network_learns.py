# Solutions to the exercises of lesson 5. Paste a part into the empty cell of its exercise.

# %% 1 · A learning rate
# 5 is still 10 % above the least loss after five steps; 20 jumps over the valley.
my_rate = 10

# %% 2 · Always "hungry"
# All hungry clips are recognised and no others, so one of five recalls is 1 and the others are 0.
my_accuracy = 382 / 457
my_balanced_accuracy = (1 + 0 + 0 + 0 + 0) / 5
