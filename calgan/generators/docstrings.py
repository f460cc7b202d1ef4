"""Parameters and attributes of all generators that train networks, described once."""

PARAMETERS = """
    max_iter : int, default=None
        Generator steps in total; None takes the default setting.
    max_time : float, default=None
        Limit in seconds, counted from the first line of ``fit``, also of one that takes up a
        checkpoint. One step is taken in any case, and the checks at the end are made.
    batch_size : int, default=None
        Windows a batch; None takes the default setting.
    filters : int, default=None
        Channel unit of the networks; None takes the default setting.
    learning_rate : float, default=None
        Step size of Adam for the generator; None takes the default setting.
    validation_fraction : float, default=None
        Share of the windows, the last in time, held out to track statistics while it trains;
        training windows that overlap them are left out. 0 trains on all windows and tracks nothing,
        and so, with a warning, does a share that is fewer than 8 windows. None takes the default
        setting.
    frame_rate : float, default=None
        Frames per second (Hz), for the spike statistics that are tracked and checked; None takes
        that of the windows (a ``WindowView`` of a ``Recording`` knows it). Without one, networks
        train as well, but spikes are neither tracked nor checked.
    device : str, default="auto"
        "auto", "cpu", "cuda", "cuda:<number>" or "mps". The fitted networks are on the CPU.
    devices : int, default=1
        Processes on a CPU, or GPUs, that train the network together: each takes its share of every
        batch. The result is that of one, but for rounding. ``fit`` starts them, also in a notebook;
        in a script that torchrun or SLURM's srun started, it uses its processes, and returns the
        same model in each. Batches must divide evenly, and losses be means over windows: no
        statistics matching. If one dies, ``fit`` raises RuntimeError. It is no part of a saved
        model.
    precision : {"32-true", "bf16-mixed", "16-mixed", "mixed"}, default="32-true"
        Arithmetic of the networks; losses are float32 always. "mixed" is float16 with loss scaling
        on a GPU, bfloat16 on a CPU that has it, else float32.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the last state until `max_iter` steps are done in total.
    checkpoint : str or path-like, default=None
        File that the state of the training is written to as it goes: a model that `calgan.load`
        reads, replaced once the next one is complete. If it exists when ``fit`` is called, ``fit``
        takes it up, and ends as it would have without a break, bit for bit on a CPU; one that has
        reached its end is returned. Settings, seed and windows must be the same: `max_iter` may be
        raised, and with ``random_state=None`` the seed is that of the file. With `warm_start` it is
        taken up where it is ahead of what was fitted. ``partial_fit`` writes it, and goes on from
        memory alone. It is no part of a saved model. A generator that has one cannot be cloned.
    checkpoint_every : float, default=300.0
        Seconds between two of them: so much is lost at most when a process is killed. 0 writes one
        after each step. They are written between steps, and at the end.
    log : str or path-like, default=None
        Where rows of `history_` are written as they come: a file that ends in ``.csv``, or a folder
        for TensorBoard, which has to be installed (``calgan[tensorboard]``). A former history in a
        file is replaced at the first step. A generator that has one cannot be cloned.
    verbose : int, default=None
        1 shows a progress bar, 0 does not, None does on a terminal.
    random_state : int, RandomState, Generator or None, default=None
        Seed of initialisation, training and, by default, sampling.
"""
ATTRIBUTES = """
    n_iter_ : int
        Steps taken.
    best_iter_ : int
        Step whose weights `generator_` has.
    stopped_ : str
        Why training ended:

        - "max_iter": so many steps are done.
        - "max_time": so many seconds are over.
        - "early stopping": ``val_score`` was not below its best for `n_iter_no_change` steps (see
          `settings_`), judged every `check_every` steps.
        - "diverged": a loss or a weight is not finite, or the median "loss" of the last 20 steps is
          above 5 times that of the first 20 at the end. It went back to the last check of a state
          that had not diverged, or to the checkpoint that was taken up after it.
        - "interrupted": Ctrl-C. The first one takes effect after the step that is being taken: to
          go on is then exact. The second takes effect at once.
        - "checkpoint": it did not; the model is that of a checkpoint.
    validation_baseline_ : dict
        Train-test baseline of each tracked statistic: training against held-out windows.
    fit_summary_ : dict
        Samples against training windows, for each neuron: "sd_ratio" and "rate_ratio", lists of N
        ratios of standard deviations and of inferred rates, and "mismatched", the numbers of the
        neurons that do not match. Empty if X was encoded, and if the check was interrupted.
    trained_statistics_ : tuple of str
        Statistics that the objective trains on.
    encoding_ : sklearn.pipeline.Pipeline
        Fitted steps between the windows and the network: samples come back through them.
    n_features_in_, n_frames_in_ : int
        Neurons N and frames T of a window.
    n_channels_in_ : int or None
        Channels C of encoded windows; None for traces.
    frame_rate_, units_, roi_ids_ : float, str, ndarray of shape (N,), or None
        Frame rate (Hz), units and ids of the windows, where they know them. The units are those of
        `sample`: "a.u." behind a scaler.
    seed_ : int
        Seed in force.
    fingerprint_ : str
        SHA-256 of the training windows, evenly thinned out where they are many.
"""
