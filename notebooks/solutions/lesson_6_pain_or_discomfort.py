# Solutions to the exercises of lesson 6. Paste a part into the empty cell of its exercise.

# %% 1 · The filter, turned
# Much less than before: the patch has a bright row, not a bright column.
turned = (patch * stripes.T).sum()

# %% 2 · Babies, not clips
# The number differs between machines, as the networks do.
is_right = answers.predicted == answers.truth
babies_right = (is_right.groupby(answers.infant).mean() > 0.5).sum()

# %% 3 · A higher voice
# 15 of 22 babies: so many or more, up or down, happen by chance once in seven or eight times.
higher = (voice["pain"] > voice["discomfort"]).sum()
