# Solutions to the exercises of lesson 1. Paste a part into the empty cell of its exercise.

# %% 1 · One clip of each baby
# No baby can be in training and in the test, so the random split scores about 25 %, as guessing would.
one_each = make_corpus(signal=0.0, identity=1.0, infants=120, clips_per_infant=1)
share = accuracies(one_each, split_clips).mean()

# %% 2 · Only the reason shapes the voice
# Both shares are near 100 %: what some babies show is true of others.
loud = make_corpus(signal=1.0, identity=0.0)
random_share = accuracies(loud, split_clips).mean()
new_babies_share = accuracies(loud, split_babies).mean()

# %% 3 · The pitch of a cry
# 388 Hz over the loud frames; over all frames it would be 405 Hz.
settings = dict(frame_length=512, hop_length=128)
yin = librosa.yin(first, fmin=200, fmax=1000, sr=sr, **settings)
rms = librosa.feature.rms(y=first, **settings)[0]
pitch = yin[rms > 0.3 * rms.max()].mean()
