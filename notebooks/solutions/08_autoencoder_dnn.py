# Solutions to the exercises of notebook 08. Paste a part into the empty cell of its exercise.

# %% 1 · Principal components
# Far fewer than 32: the autoencoder is not trained enough.
of_code = errors.query("feature == 'mfcc' and model == 'autoencoder' and size == @bottleneck")
components = next(
    p for p in range(1, 160) if pca_error("mfcc", p, in_test) <= of_code.error.item()
)

# %% 2 · Decibels
# The power is the square of the amplitude: 10 log10(10 ** 2) is 20.
my_snr = 20
