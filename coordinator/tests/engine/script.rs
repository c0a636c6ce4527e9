//! Transcripts: a few lines say what happens, and what one node does about it is compared with a snapshot.
//!
//! `watch n1` shows the events and effects of n1 from there on; `deliver` moves messages until none is left, or the
//! first so many; `fire n1 KeyPhase` lets its timers of that kind fire; `cut n1 n2`, `heal`, `down n3`, `restart n3`,
//! `propose`, `accept n2`, `abandon n2`, `submit n1 7`, `block`. `INSTA_UPDATE=always` writes the snapshots anew.

use crate::bench::Bench;
use firn_coordinator::api::{Command, Event};
use firn_proto::KeyId;

pub(crate) struct Script {
    pub(crate) bench: Bench,
    pub(crate) key_id: Option<KeyId>,
}

impl Script {
    pub(crate) fn new(bench: Bench, key_id: Option<KeyId>) -> Self {
        Self { bench, key_id }
    }

    /// Runs the lines and gives the transcript of the watched node, with the state of all at the end.
    pub(crate) fn run(&mut self, lines: &str) -> String {
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<_> = line.split_whitespace().collect();
            self.step(&words);
        }
        let mut log = std::mem::take(&mut self.bench.log);
        if let Some(key_id) = self.key_id {
            let states = self.bench.hosts.keys().map(|id| self.bench.key_state(*id, key_id)).collect::<Vec<_>>();
            log.push(format!("= {}", states.join(" ")));
        }
        log.join("\n")
    }

    fn step(&mut self, words: &[&str]) {
        let node = |index: usize| -> u16 { words[index].trim_start_matches('n').parse().unwrap() };
        let key_id = self.key_id.unwrap_or_default();
        let bench = &mut self.bench;
        match words[0] {
            "watch" => bench.watched = Some(node(1)),
            "deliver" => match words.get(1) {
                Some(count) => (0..count.parse::<usize>().unwrap()).for_each(|_| bench.deliver_at(0)),
                None => bench.deliver(),
            },
            "propose" => self.key_id = Some(bench.propose(1)),
            "accept" if words[1] == "all" => bench.accept_all(key_id),
            "accept" => bench.event(node(1), Event::Operator(Command::AcceptKey(key_id))),
            "abandon" => bench.event(node(1), Event::Operator(Command::AbandonKey(key_id))),
            "fire" => bench.fire(node(1), words[2]),
            "cut" => bench.dropped.extend([(node(1), node(2)), (node(2), node(1))]),
            "heal" => bench.dropped.clear(),
            "down" => bench.kill(node(1)),
            "restart" => bench.restart(node(1)),
            "block" => bench.block_final(),
            "submit" => {
                let request = bench.request(words[2].parse().unwrap());
                bench.submit(node(1), &request);
            }
            other => panic!("no such word: {other}"),
        }
    }
}
