//! Shrinking: a failing scenario becomes a small one that fails in the same way.
//!
//! Greedy delta debugging over the meaning of a scenario, not over bytes. Since every draw is keyed by what it is for,
//! taking one thing away leaves all others as they were. A step is kept only if the same violation occurs again.

use crate::scenario::{Expect, Gate, KeyOrigin, Micros, Moment, Network, Scenario, Version};
use firn_proto::NodeId;

mod nodes;

const SECOND: Micros = 1_000_000;

/// What a shrinking came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The smallest scenario that still fails.
    pub scenario: Scenario,
    /// When the violation occurs in it.
    pub at: Micros,
    /// How many runs it took.
    pub runs: u32,
}

/// The search: what is smallest so far, and what may still be spent.
struct Search<'a> {
    best: Scenario,
    at: Micros,
    runs: u32,
    runs_max: u32,
    fails: &'a mut dyn FnMut(&Scenario) -> Option<Micros>,
}

/// Shrinks `scenario`, of which `fails` says when it shows the violation in question. `None` if it does not fail at all.
pub fn shrink(
    scenario: &Scenario,
    runs_max: u32,
    fails: &mut dyn FnMut(&Scenario) -> Option<Micros>,
) -> Option<Shrunk> {
    let at = fails(scenario)?;
    let mut search = Search { best: scenario.clone(), at, runs: 1, runs_max, fails };
    loop {
        let before = search.best.clone();
        search.pass();
        if search.best == before || search.runs >= search.runs_max {
            break;
        }
    }
    search.cut();
    Some(Shrunk { scenario: search.best, at: search.at, runs: search.runs })
}

impl Search<'_> {
    /// Keeps `smaller` if it is different and fails as well.
    fn keep(&mut self, smaller: Scenario) -> bool {
        if smaller == self.best || self.runs >= self.runs_max || !smaller.renewals_fit() {
            return false;
        }
        self.runs += 1;
        match (self.fails)(&smaller) {
            None => false,
            Some(at) => {
                self.best = smaller;
                self.at = at;
                true
            }
        }
    }

    /// Tries one change of the best so far.
    fn change(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut smaller = self.best.clone();
        change(&mut smaller);
        self.keep(smaller)
    }

    fn pass(&mut self) {
        self.drop_items(|scenario| &mut scenario.faults);
        self.drop_items(|scenario| &mut scenario.byzantine);
        self.drop_items(|scenario| &mut scenario.versions);
        self.drop_items(|scenario| &mut scenario.key.renewals);
        self.drop_items(|scenario| &mut scenario.key.repairs);
        self.drop_items(|scenario| &mut scenario.pauses);
        self.drop_items(|scenario| &mut scenario.rules);
        self.drop_items(|scenario| &mut scenario.people);
        self.drop_items(|scenario| &mut scenario.workload);
        self.drop_acts();
        self.fewer_nodes();
        self.simpler_requests();
        self.simpler_setting();
        self.simpler_faults();
    }

    /// Drops items of a list: half of it, a quarter, down to one at a time.
    fn drop_items<T>(&mut self, list: fn(&mut Scenario) -> &mut Vec<T>) {
        let length = list(&mut self.best).len();
        let mut size = length;
        while size > 0 {
            let mut start = 0;
            while start < list(&mut self.best).len() {
                let end = (start + size).min(list(&mut self.best).len());
                let drops = |scenario: &mut Scenario| {
                    drop(list(scenario).drain(start..end));
                    nodes::forget_strangers(scenario);
                };
                if !self.change(drops) {
                    start = end;
                }
            }
            size /= 2;
        }
    }

    fn drop_acts(&mut self) {
        for index in 0..self.best.byzantine.len() {
            let count = self.best.byzantine.get(index).map_or(0, |byzantine| byzantine.acts.len());
            for act in (0..count).rev().filter(|_| count > 1) {
                self.change(|scenario| {
                    if let Some(byzantine) = scenario.byzantine.get_mut(index).filter(|node| node.acts.len() > 1) {
                        byzantine.acts.remove(act);
                    }
                });
            }
            self.change(|scenario| scenario.byzantine.iter_mut().skip(index).take(1).for_each(|node| node.from = 0));
        }
    }

    /// Takes nodes away one by one, the last first, with a threshold that fits.
    fn fewer_nodes(&mut self) {
        for node in (1..=self.best.node_count()).rev() {
            for lower in [1, 0] {
                let threshold = self.best.key.threshold.saturating_sub(lower);
                if let Some(smaller) = nodes::without(&self.best, NodeId(node), threshold)
                    && self.keep(smaller)
                {
                    break;
                }
            }
        }
        let threshold = self.best.key.threshold.saturating_sub(1);
        self.change(|scenario| scenario.key.threshold = threshold);
    }

    fn simpler_requests(&mut self) {
        for index in 0..self.best.workload.len() {
            let on = |change: fn(&mut crate::scenario::Workload)| {
                move |scenario: &mut Scenario| scenario.workload.iter_mut().skip(index).take(1).for_each(change)
            };
            if !self.change(on(|workload| workload.count = 1)) {
                self.change(on(|workload| workload.count = workload.count.div_ceil(2)));
            }
            self.change(on(|workload| workload.repeats = 0));
            self.change(on(|workload| workload.rivals = false));
            self.change(on(|workload| workload.to.truncate(1)));
            self.change(on(|workload| workload.requester = 1));
            for unit in [30 * SECOND, SECOND] {
                self.change(on(|workload| workload.every = 0));
                self.change(|scenario| {
                    scenario.workload.iter_mut().skip(index).take(1).for_each(|workload| {
                        workload.at = rounded(workload.at, unit);
                        workload.deadline = rounded(workload.deadline, unit).max(unit);
                    });
                });
            }
        }
    }

    fn simpler_setting(&mut self) {
        self.change(|scenario| {
            scenario.network = Network { latency: scenario.network.latency.clone(), ..Network::plain() }
        });
        self.change(|scenario| scenario.key.origin = KeyOrigin::Given);
        self.change(|scenario| scenario.key.organisations_min = 1);
        self.change(|scenario| scenario.key.regions_min = 1);
        self.change(nodes::into_one_region);
        self.change(nodes::into_one_organisation);
        self.change(|scenario| scenario.quorums = None);
        self.simpler_gate();
        for index in 0..self.best.versions.len() {
            let on = |change: fn(&mut Version)| {
                move |scenario: &mut Scenario| scenario.versions.iter_mut().skip(index).take(1).for_each(change)
            };
            self.change(on(|version| version.expels.clear()));
            self.change(on(|version| version.rules.clear()));
            self.change(on(|version| version.drops.clear()));
        }
        self.change(|scenario| scenario.runs = 1);
        self.change(|scenario| scenario.expect = Expect::default());
    }

    fn simpler_gate(&mut self) {
        self.change(|scenario| scenario.gate = None);
        self.change(|scenario| scenario.finality = 0);
        let cancels = |scenario: &Scenario| scenario.gate.as_ref().map_or(0, |gate| gate.cancels.len());
        for index in (0..cancels(&self.best)).rev() {
            self.change(|scenario| {
                scenario.gate.iter_mut().filter(|gate| index < gate.cancels.len()).for_each(|gate| {
                    gate.cancels.remove(index);
                });
            });
        }
        self.change(|scenario| scenario.gate.iter_mut().for_each(|gate| gate.shared_evidence = false));
        self.change(|scenario| {
            scenario.gate.iter_mut().for_each(|gate| *gate = Gate { expires: Gate::new(0).expires, ..gate.clone() });
        });
    }

    fn simpler_faults(&mut self) {
        for index in 0..self.best.faults.len() {
            while self.change(|scenario| {
                scenario.faults.iter_mut().skip(index).take(1).for_each(|fault| {
                    fault.lasts = fault.lasts.filter(|lasts| *lasts > 1_000).map(|lasts| rounded(lasts / 2, 1_000));
                });
            }) {}
            for unit in [30 * SECOND, SECOND, 100_000] {
                self.change(|scenario| {
                    scenario
                        .faults
                        .iter_mut()
                        .skip(index)
                        .take(1)
                        .for_each(|fault| round_moment(&mut fault.begin, unit));
                });
            }
            self.change(|scenario| {
                let fault = scenario.faults.iter_mut().skip(index).take(1);
                fault.for_each(|fault| nodes::fewer(&mut fault.kind));
            });
        }
    }

    /// The earliest end of the run that still shows it.
    fn cut(&mut self) {
        let at = self.at;
        for until in [rounded(at, SECOND) + SECOND, at + 1_000, at + 1] {
            if self.best.until.is_none_or(|known| until < known) {
                self.change(|scenario| scenario.until = Some(until));
            }
        }
    }
}

fn rounded(time: Micros, unit: Micros) -> Micros {
    time / unit * unit
}

fn round_moment(moment: &mut Moment, unit: Micros) {
    match moment {
        Moment::At(at) => *at = rounded(*at, unit),
        Moment::When { count, .. } => *count = (*count).div_ceil(2),
    }
}
