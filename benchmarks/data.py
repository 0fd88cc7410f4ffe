"""How many snippets a core makes ready for training: ours, the same mixed by TensorFlow's own
operations, and the original's way, TFRecords through a shuffle buffer, in turn on one core.

`python benchmarks/data.py [--songs 10] [--seconds 120] [--runs 5] [--shuffle 4000] [--json FILE]`
prints one line per figure: medians over the runs, ratios pair by pair, memory besides the songs;
then the share of a training step of U1 that a batch takes. Songs are noise, in a temporary folder
that takes three times what they do as float32.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

import Engine  # noqa: F401 - TensorFlow, without its notes

# isort: split
import tensorflow as tf
from machine import machine

from Config import DEFAULTS, specs
from Engine.Steps import Steps
from Engine.Trainer import compiled_trainer
from Input.Draws import GAIN_HIGH, GAIN_LOW, draw_batch
from Input.Pipeline import PREFETCHED, training_batches
from Input.Preparation import to_int16, write_samples
from Input.Store import Store, StoredSong, audio_path
from Spec.Run import Specs

BATCH = 16
SNIPPETS_PER_SONG = 100  # that the original cuts out of a song it has read
BATCHES = {"ours": 400, "mixed by TensorFlow": 200, "TFRecords": 40}  # of one reading


def u1() -> Specs:
    """J-Net's U1 as it is trained: 16384 frames, two sources, stereo."""
    return specs(dict(DEFAULTS), seed=1)


def made_store(folder: Path, songs: int, seconds: float) -> Store:
    """A store of noise, as preparation would leave it."""
    model, random = u1().model, np.random.default_rng(0)
    shape = (int(seconds * model.sample_rate), len(model.sources), model.num_channels)
    stored = []
    for index in range(songs):
        samples, scale = to_int16(random.standard_normal(shape, np.float32))
        stored.append(StoredSong(f"song {index}", "train", len(samples), scale, ""))
        path = audio_path(folder, "train", stored[-1].name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_samples(path, samples)
    return Store(folder, tuple(stored), *shape[1:])


def mixed_by_tensorflow(store: Store) -> tf.data.Dataset:
    """The same batches with NumPy cutting int16 only: cast, gains and sum are operations of
    TensorFlow."""
    model = u1().model
    songs = store.subset("train")
    arrays = [np.asarray(store.open(song)) for song in songs]
    frames = np.array([song.frames for song in songs])
    scales = np.array([song.scale for song in songs], np.float32)
    shape = (BATCH, model.num_frames, len(model.sources), model.num_channels)

    def cut(step):
        drawn = draw_batch(1, int(step), BATCH, frames, model.num_frames, len(model.sources))
        windows = np.empty(shape, np.int16)
        for row, (song, offset) in enumerate(zip(drawn.songs, drawn.offsets, strict=True)):
            windows[row] = arrays[song][offset : offset + model.num_frames]
        return windows, drawn.gains * scales[drawn.songs, np.newaxis]

    def mix(step):
        windows, factors = tf.numpy_function(cut, [step], [tf.int16, tf.float32])
        sources = tf.cast(tf.ensure_shape(windows, shape), tf.float32)
        sources *= tf.ensure_shape(factors, shape[::2])[:, tf.newaxis, :, tf.newaxis]
        return tf.reduce_sum(sources, axis=2), sources

    return without_autotune(tf.data.Dataset.range(2**62).map(mix).prefetch(PREFETCHED))


def original(store: Store, shuffle: int) -> tf.data.Dataset:
    """Songs as float32 in TFRecords; of each that is read, snippets are cut, scaled and mixed, and
    drawn out of a buffer of `shuffle` snippets."""
    model = u1().model
    lanes = (len(model.sources), model.num_channels)
    path = store.folder / "songs.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for song in store.songs:
            audio = (store.open(song) * np.float32(song.scale)).tobytes()
            value = tf.train.Feature(bytes_list=tf.train.BytesList(value=[audio]))
            example = tf.train.Example(features=tf.train.Features(feature={"audio": value}))
            writer.write(example.SerializeToString())

    def snippets(record):
        parsed = tf.io.parse_single_example(record, {"audio": tf.io.FixedLenFeature([], tf.string)})
        audio = tf.reshape(tf.io.decode_raw(parsed["audio"], tf.float32), (-1, *lanes))
        last = tf.shape(audio)[0] - model.num_frames

        def snippet(_):
            first = tf.random.uniform([], 0, last + 1, tf.int32)
            window = audio[first : first + model.num_frames]
            gains = tf.random.uniform((lanes[0], 1), GAIN_LOW, GAIN_HIGH)
            sources = tf.ensure_shape(window, (model.num_frames, *lanes)) * gains
            return tf.reduce_sum(sources, axis=1), sources

        return tf.data.Dataset.range(SNIPPETS_PER_SONG).map(snippet)

    records = tf.data.TFRecordDataset(str(path)).repeat()
    return without_autotune(records.flat_map(snippets).shuffle(shuffle).batch(BATCH).prefetch(1))


def without_autotune(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Autotune would start threads, which are not to be compared here."""
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def own_memory() -> int:
    """Bytes that this process holds besides mapped files."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status does not tell RssAnon")


@tf.function
def take(batches: Iterator, count: tf.Tensor) -> None:
    """Take some batches as a training does: within a graph, where Python has no part in it."""
    for _ in tf.range(count):
        batches.get_next()


def reading(batches: Iterator, count: int) -> tuple[float, float]:
    """Seconds of the core and of the clock that a snippet takes, over `count` batches."""
    core, clock = time.process_time(), time.perf_counter()
    take(batches, tf.constant(count))
    snippets = count * BATCH
    return (time.process_time() - core) / snippets, (time.perf_counter() - clock) / snippets


def compare(store: Store, shuffle: int, runs: int) -> list[dict]:
    """All ways, A B C A B C, after each has begun."""
    run = u1()
    ways: dict[str, Callable[[], tf.data.Dataset]] = {
        "ours": lambda: training_batches(store, run.model, BATCH, 1, 0),
        "mixed by TensorFlow": lambda: mixed_by_tensorflow(store),
        "TFRecords": lambda: original(store, shuffle),
    }
    iterators, memory, first = {}, {}, {}
    for way, dataset in ways.items():
        before = own_memory()
        iterators[way] = iter(dataset())
        first[way] = [part.numpy() for part in next(iterators[way])]
        take(iterators[way], tf.constant(2 * PREFETCHED))
        memory[way] = own_memory() - before
    for ours, theirs in zip(first["ours"], first["mixed by TensorFlow"], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(runs):
        for way, batches in iterators.items():
            taken[way].append(reading(batches, BATCHES[way]))
    return [
        {
            "way": way,
            "snippets_per_core_second": 1 / statistics.median(core for core, _ in taken[way]),
            "snippets_per_second": 1 / statistics.median(clock for _, clock in taken[way]),
            "times_tfrecords": statistics.median(
                slow / fast
                for (slow, _), (fast, _) in zip(taken["TFRecords"], taken[way], strict=True)
            ),
            "memory_bytes": memory[way],
        }
        for way in ways
    ]


def step_seconds() -> float:
    """A training step of U1 with 16 snippets on all cores: the median of five, after one."""
    run = u1()
    steps = Steps(compiled_trainer(run.model, run.training))
    mix = np.random.default_rng(0).standard_normal((BATCH, run.model.num_frames, 2), np.float32)
    sources = np.stack([mix / 2, mix / 2], axis=2)
    taken = []
    for number in range(6):
        start = time.perf_counter()
        steps.take_batch(mix, sources, number)
        assert steps.failed_step() is None  # waits for it
        taken.append(time.perf_counter() - start)
    return statistics.median(taken[1:])


def step_seconds_elsewhere() -> float:
    """`step_seconds` of a process that has not bound itself to one core."""
    words = [sys.executable, __file__, "--step"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1])


def on_one_core() -> None:
    """Bind this process, before TensorFlow starts its threads, to the last core it may use."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def main() -> None:
    """Compare, and say what share of a step a batch takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--shuffle", type=int, default=4000)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--step", action="store_true", help="print a training step's seconds alone")
    given = parser.parse_args()
    if given.step:
        print(step_seconds())
        return
    step = step_seconds_elsewhere()
    on_one_core()
    with tempfile.TemporaryDirectory() as folder:
        store = made_store(Path(folder), given.songs, given.seconds)
        figures = compare(store, given.shuffle, given.runs)
    for figure in figures:
        figure["share_of_a_step"] = BATCH / figure["snippets_per_core_second"] / step
        print(
            f"{figure['way']}: {figure['snippets_per_core_second']:.0f} snippets a second of one "
            f"core ({figure['snippets_per_second']:.0f} by the clock), "
            f"{figure['times_tfrecords']:.1f} times TFRecords, "
            f"{figure['memory_bytes'] / 2**20:.0f} MiB, {figure['share_of_a_step']:.2%} of a step"
        )
    print(f"a training step of U1 with {BATCH} snippets: {step:.2f} s")
    if given.json:
        content = {
            "machine": machine("tensorflow", "numpy"),
            "step_seconds": step,
            "figures": figures,
        }
        given.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
