"""Toy events, and the files they come in: what every test that needs events begins with."""

import h5py
import numpy as np
import pyarrow as pa

from utils.formats.trigger_objects import KINDS
from utils.l1_events import L1Events

# First slot, number of slots, class, mean number of objects, least pT, mean pT above it, largest |eta|.
KINDS_OF_OBJECTS = ((1, 4, 2, 0.4, 5, 20, 2.5), (5, 4, 3, 0.4, 3, 20, 2.4), (9, 10, 4, 2.5, 15, 30, 4.5))


def random_particles(n_events, seed=0):
    """Return rows of an events file: a few objects of each kind in falling order of pT, some events without a jet."""
    rng = np.random.default_rng(seed)
    particles = np.zeros((n_events, 19, 4), np.float32)
    particles[:, 0, 0] = rng.exponential(30, n_events)
    particles[:, 0, 2] = rng.uniform(-np.pi, np.pi, n_events)
    particles[:, 0, 3] = 1
    for first, n_slots, number_of_class, mean_number, least_pt, mean_pt, largest_eta in KINDS_OF_OBJECTS:
        shape = (n_events, n_slots)
        pt = -np.sort(-(least_pt + rng.exponential(mean_pt, shape)), axis=1)
        angles = rng.uniform(-largest_eta, largest_eta, shape), rng.uniform(-np.pi, np.pi, shape)
        objects = np.stack([pt, *angles, np.full(shape, number_of_class)], axis=2)
        real = np.arange(n_slots) < rng.poisson(mean_number, n_events)[:, None]
        particles[:, first : first + n_slots] = np.where(real[:, :, None], objects, 0)
    return particles


def events_datasets(particles, weights=None):
    """Return the datasets of an events file, as other programs write them."""
    datasets = {
        "Particles": particles,
        "Particles_Names": np.array([b"Pt", b"Eta", b"Phi", b"Class"]),
        "Particles_Classes": np.array([b"MET_class_1", b"Four_Ele_class_2", b"Four_Mu_class_3", b"Ten_Jet_class_4"]),
    }
    return datasets if weights is None else {**datasets, "Weights": np.asarray(weights, np.float32)}


def write_events(path, particles, weights=None):
    """Write an events file; `Particles` are compressed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in events_datasets(particles, weights).items():
            file.create_dataset(name, data=values, compression="gzip" if name == "Particles" else None)
    return path


def write_les_houches(path, strategy, weights, cross_section=1.0, beam_energy=6500, seed=1):
    """Write a Les Houches file of quarks that annihilate to two muons at large angles; the largest weight is 100."""
    rng = np.random.default_rng(seed)
    beams = f"2212 2212 {beam_energy} {beam_energy} 0 0 247000 247000"
    header = ["<init>", f"{beams} {strategy} 1", f"{cross_section} 1.0 100.0 1", "</init>"]
    lines = ['<LesHouchesEvents version="1.0">', *header]
    for weight in weights:
        energy, cosine, phi = 150 + 40 * rng.random(), rng.uniform(-0.5, 0.5), rng.uniform(-3, 3)
        pt = energy * np.sqrt(1 - cosine**2)
        out = np.array([pt * np.cos(phi), pt * np.sin(phi), energy * cosine])
        along = np.array([0, 0, energy])
        lines += ["<event>", f"4 1 {weight} {2 * energy} 0.0075 0.118"]
        for start, momentum in (
            ("2 -1 0 0 501 0", along),
            ("-2 -1 0 0 0 501", -along),
            ("13 1 1 2 0 0", out),
            ("-13 1 1 2 0 0", -out),
        ):
            lines.append(" ".join([start, *(f"{value:.10e}" for value in (*momentum, energy)), "0 0 9"]))
        lines.append("</event>")
    path.write_text("\n".join([*lines, "</LesHouchesEvents>", ""]))
    return path


def l1_events(smeared, true=None, **columns):
    """Return L1 events of given objects, shape (n_events, 18, 3); the other columns are given or simple."""
    smeared = np.asarray(smeared, np.float32)
    zeros = np.zeros(len(smeared), np.float32)
    values = {
        "smeared_data": smeared,
        "true_data": smeared if true is None else np.asarray(true, np.float32),
        "smeared_met": zeros + 50,
        "smeared_ht": zeros + 80,
        "true_met": zeros + 60,
        "true_ht": zeros + 70,
        "original_met": zeros + 40,
        "ids": np.ones(len(smeared), np.int32),
        "weights": zeros + 1,
    }
    given = {name: np.asarray(column, np.int32 if name == "ids" else np.float32) for name, column in columns.items()}
    return L1Events(**(values | given))


def random_l1_events(n_events, seed=0):
    """Return L1 events of two processes; ``original_met`` numbers the events."""
    rng = np.random.default_rng(seed)
    n_jets = rng.integers(0, 6, n_events)
    objects = np.zeros((n_events, 18, 3), np.float32)
    pt = -np.sort(-rng.uniform(20, 100, (n_events, 18)), axis=1)
    real = np.zeros((n_events, 18), bool)
    real[:, 8:] = np.arange(10) < n_jets[:, None]
    real[:, [0, 4]] = rng.random((n_events, 2)) < 0.3
    objects[real] = np.stack([pt, rng.uniform(-4, 4, pt.shape), rng.uniform(-3, 3, pt.shape)], axis=2)[real]
    return l1_events(
        objects,
        smeared_met=rng.exponential(30, n_events) + 0.1,
        smeared_ht=objects[:, 8:, 0].sum(1),
        true_met=rng.exponential(30, n_events),
        true_ht=rng.exponential(100, n_events),
        original_met=np.arange(n_events),
        ids=rng.integers(1, 3, n_events),
        weights=rng.uniform(0.5, 2, n_events),
    )


def l1_datasets(events, names=(b"QCD_1", b"W_2"), weights=True):
    """Return the datasets of an L1 regression file, with the weights of the events unless they are not asked for."""
    columns = {name: values for name, values in vars(events).items() if values is not None}
    if not weights:
        del columns["weights"]
    return {**columns, "ids_names": np.array(names)}


def write_l1(path, events, names=(b"QCD_1", b"W_2"), weights=True):
    """Write an L1 regression file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, values in l1_datasets(events, names, weights).items():
            file[name] = values
    return path


def read_hdf5(path):
    """Return all datasets of a file by name."""
    with h5py.File(path) as file:
        return {name: values[()] for name, values in file.items()}


def zero_bias_column(lists):
    """Return a column of zero-bias events, with the list of its integers for each event."""
    return pa.array(lists, pa.list_(pa.int16()))


def random_zero_bias(n_events, seed=0):
    """Return the columns of zero-bias events: objects in integers of the trigger, and the sums of CMS."""
    rng = np.random.default_rng(seed)
    columns = {}
    for kind, most in zip(KINDS, (8, 12, 12), strict=True):
        sizes = rng.integers(0, most + 1, n_events)
        for name, least, largest in zip(kind.names, (0, -50, 0), (300, 50, kind.phi_steps), strict=True):
            columns[name] = zero_bias_column([rng.integers(least, largest, size) for size in sizes])
    met, ht = rng.integers(0, 900, (2, n_events))
    return {**columns, "MET_Et": pa.array(met, pa.int32()), "HT_Et": pa.array(ht, pa.int32())}


def objects_at(**slots):
    """Return one event with objects (pT, eta, phi) in slots such as ``jet0``, ``muon2``, ``egamma1``."""
    first = {"muon": 0, "egamma": 4, "jet": 8}
    objects = np.zeros((1, 18, 3), np.float32)
    for name, values in slots.items():
        objects[0, first[name[:-1]] + int(name[-1])] = values
    return objects


def unpacked(inputs):
    """Return the features, (n_graphs, n_places, n_features), of `PackedGraphs.inputs`, zero where empty."""
    first, features, numbers = inputs
    graphs = np.zeros((len(first), *features.shape[1:]), features.dtype)
    for number in range(len(first)):
        nodes = features[numbers == number + 1]
        graphs[number, : len(nodes)] = nodes
    return graphs


L1_TABLES = {"Mu": 3, "EG": 25, "Jet": 40}  # mean pT of the toy objects
OFFLINE_TABLES = {"Muon": 20, "Electron": 20, "Jet": 45, "GenJet": 45}


def random_nanoaod(n_events, seed=0, l1="L1", data=False):
    """Return the branches of NanoAOD with L1 tables, with the types of CMS: lists as pairs of lengths and values."""
    rng = np.random.default_rng(seed)

    def pt(mean, size):
        return np.round(rng.exponential(mean, size) * 2) / np.float32(2)

    def table(name, mean, mean_number, largest_eta=3.0):
        sizes = rng.poisson(mean_number, n_events)
        n = sizes.sum()
        angles = rng.uniform(-largest_eta, largest_eta, n), rng.uniform(-np.pi, np.pi, n)
        values = {"pt": pt(mean, n), "eta": angles[0], "phi": angles[1]}
        return sizes, {f"{name}_{column}": np.float32(found) for column, found in values.items()}

    branches = {"run": np.full(n_events, 362000, np.uint32), "luminosityBlock": rng.integers(1, 9, n_events, np.uint32)}
    branches["event"] = np.arange(n_events, dtype=np.uint64)
    lists = {}
    for kind, mean in L1_TABLES.items():
        sizes, values = table(f"{l1}{kind}", mean, 5)
        values[f"{l1}{kind}_bx"] = rng.choice(np.int16([-2, -1, 0, 1, 2]), sizes.sum(), p=[0.05, 0.1, 0.7, 0.1, 0.05])
        lists |= {name: (sizes, found) for name, found in values.items()}
    sizes = lists[f"{l1}Mu_pt"][0]
    for angle, width in (("eta", 2.4), ("phi", np.pi)):
        lists[f"{l1}Mu_{angle}AtVtx"] = sizes, np.float32(rng.uniform(-width, width, sizes.sum()))
    types = np.int16([0, 1, 2, 3, 8, 11, 99])
    of_events = np.concatenate([rng.permutation(len(types) * 3) for _ in range(n_events)])
    sizes = np.full(n_events, 3 * len(types))
    lists[f"{l1}EtSum_etSumType"] = (
        sizes,
        np.tile(types, 3 * n_events)
        .reshape(n_events, -1)
        .ravel()[np.repeat(np.arange(n_events) * 3 * len(types), 3 * len(types)) + of_events],
    )
    lists[f"{l1}EtSum_bx"] = sizes, np.int16(of_events // len(types) - 1)
    lists[f"{l1}EtSum_pt"] = sizes, np.float32(pt(60, len(of_events)))
    lists[f"{l1}EtSum_phi"] = sizes, np.float32(rng.uniform(-np.pi, np.pi, len(of_events)))
    for name, mean in OFFLINE_TABLES.items():
        if not (data and name == "GenJet"):
            sizes, values = table(name, mean, 0.5 if name in ("Muon", "Electron") else 4)
            lists |= {column: (sizes, found) for column, found in values.items()}
    n_muons = lists["Muon_pt"][0]
    lists["Muon_looseId"] = n_muons, rng.random(n_muons.sum()) < 0.9
    lists["Muon_isPFcand"] = n_muons, rng.random(n_muons.sum()) < 0.8
    lists["Muon_pfRelIso04_all"] = n_muons, np.float32(rng.exponential(0.1, n_muons.sum()))
    n_electrons = lists["Electron_pt"][0]
    lists["Electron_cutBased"] = n_electrons, rng.integers(0, 5, n_electrons.sum(), np.uint8)
    for name in ("PuppiMET", "PFMET", *([] if data else ["GenMET"])):
        branches[f"{name}_pt"] = np.float32(rng.exponential(40, n_events))
        branches[f"{name}_phi"] = np.float32(rng.uniform(-np.pi, np.pi, n_events))
    branches["PV_npvs"] = rng.poisson(40, n_events).astype(np.uint8)
    if not data:
        branches["Pileup_nTrueInt"] = np.float32(rng.uniform(20, 60, n_events))
        branches["genWeight"] = np.float32(rng.choice([-2.5, 2.5], n_events, p=[0.2, 0.8]))
    return {**branches, **lists}


def write_nanoaod(path, branches, runs=None, events_a_basket=None, rntuple=False):
    """Write NanoAOD: a tree, or an RNTuple, with branches as `random_nanoaod` makes them, in any order."""
    import awkward as ak  # takes a second
    import uproot

    columns = {
        name: ak.unflatten(ak.Array(values[1]), values[0]) if isinstance(values, tuple) else values
        for name, values in branches.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with uproot.recreate(path) as file:
        if rntuple:
            file.mkrntuple("Events", columns)
        else:
            types = {
                name: column.type.content
                if isinstance(column, ak.Array)
                else np.dtype((column.dtype, column.shape[1:]))
                for name, column in columns.items()
            }
            tree, n_events = file.mktree("Events", types), len(next(iter(columns.values())))
            for start in range(0, n_events, events_a_basket or max(n_events, 1)):
                stop = start + (events_a_basket or n_events)
                tree.extend({name: column[start:stop] for name, column in columns.items()})
        if runs is not None:
            tree = file.mktree("Runs", {name: np.asarray(values).dtype for name, values in runs.items()})
            tree.extend({name: np.asarray(values) for name, values in runs.items()})
    return path


def write_hepmc(path, particles, weights, cross_sections, version="hepmc3", unit="GEV"):
    """Write a HepMC file of stable particles, all from one collision of two beams of 6.5 TeV.

    `particles` are those of ``utils.simulation.particles``; `cross_sections` [pb] are those after each event.
    """
    import pyhepmc

    scale = {"GEV": 1.0, "MEV": 1000.0}[unit]
    ends = np.cumsum(particles.counts)
    with pyhepmc.open(path, "w", format=version) as file:
        for number, (count, end) in enumerate(zip(particles.counts, ends, strict=True)):
            rows = slice(end - count, end)
            momenta = np.transpose([particles.px, particles.py, particles.pz, particles.energy])[rows] * scale
            event = pyhepmc.GenEvent(getattr(pyhepmc.Units, unit), pyhepmc.Units.MM)
            event.event_number = number
            vertex = pyhepmc.GenVertex()
            for sign in (1, -1):
                beam = np.array([0, 0, sign * 6500.0, 6500.0]) * scale
                vertex.add_particle_in(pyhepmc.GenParticle(beam.tolist(), 2212, 4))
            for momentum, pid in zip(momenta.tolist(), particles.pid[rows].tolist(), strict=True):
                vertex.add_particle_out(pyhepmc.GenParticle(momentum, pid, 1))
            event.add_vertex(vertex)
            event.weights = [float(weights[number]), 0.5]
            if cross_sections is not None:
                event.cross_section = pyhepmc.GenCrossSection()
                event.cross_section.set_cross_section(float(cross_sections[number]), 0.25)
            file.write(event)
    return path


def delphes_branches(particles, weights=None, cross_sections=None, generated_met=None, photons=(1, 3)):
    """Return the branches of a Delphes tree with the objects of rows of an events file, in falling order of pT.

    The e/g in the slots of `photons` are photons, the others electrons.
    """

    def objects(name, slots):
        rows = particles[:, slots]
        real = rows[:, :, 0] > 0
        return {f"{name}.{column}": (real.sum(1), rows[:, :, i][real]) for i, column in enumerate(("PT", "Eta", "Phi"))}

    def numbers(name, values):
        return {name: (np.ones(len(particles), np.int64), np.asarray(values, np.float32))}

    return {
        **numbers("Event.Weight", np.ones(len(particles)) if weights is None else weights),
        **(numbers("Event.CrossSection", cross_sections) if cross_sections is not None else {}),
        **objects("Jet", np.arange(9, 19)),
        **objects("Electron", [slot for slot in range(1, 5) if slot not in photons]),
        **objects("Photon", list(photons)),
        **objects("Muon", np.arange(5, 9)),
        **numbers("MissingET.MET", particles[:, 0, 0]),
        **numbers("MissingET.Eta", np.zeros(len(particles))),
        **numbers("MissingET.Phi", particles[:, 0, 2]),
        **(numbers("GenMissingET.MET", generated_met) if generated_met is not None else {}),
        **(numbers("GenMissingET.Phi", particles[:, 0, 2]) if generated_met is not None else {}),
    }


def write_delphes(path, branches, events_a_basket=None, own_counters=False):
    """Write a tree of Delphes: pairs of lengths and values as lists, others as numbers.

    The lists of each class have a counter, such as ``Jet_size``; with `own_counters` each list has one, so that lengths
    may differ.
    """
    import awkward as ak  # takes a second
    import uproot

    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {
        name: ak.unflatten(ak.Array(values[1]), values[0]) if isinstance(values, tuple) else ak.Array(values)
        for name, values in branches.items()
    }
    n_events = len(next(iter(columns.values())))
    with uproot.recreate(path) as file:
        counter = {name: f"{name if own_counters else name.partition('.')[0]}_size" for name in columns}
        types = {name: column.type.content for name, column in columns.items()}
        tree = file.mktree("Delphes", types, counter_name=counter.get)
        for start in range(0, n_events, events_a_basket or max(n_events, 1)):
            stop = start + (events_a_basket or n_events)
            tree.extend({name: column[start:stop] for name, column in columns.items()})
    return path
