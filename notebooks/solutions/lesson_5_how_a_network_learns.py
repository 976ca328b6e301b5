# Solutions to the exercises of lesson 5. Paste a part into the empty cell of its exercise.

# %% 1 · A learning rate
# 1 is still 2 % above the least loss after five steps; 20 jumps over the valley.
my_rate = 3

# %% 2 · Always "hungry"
# All hungry clips are recognised and no others, so one of five recalls is 1 and the others are 0.
my_accuracy = 382 / 457
my_balanced_accuracy = (1 + 0 + 0 + 0 + 0) / 5

# %% 3 · A p-value
# About 0.55. The babies with eight and nine clips have nobody to exchange labels with, so the test has
# low power. Even a small p could not tell whether the forest knows the reason or the babies.
forest = answers.query("model == 'rf' and split == 'random' and repeat == 0")
random_p = p_value(forest)[0]
