//! Whole walks through a vault's life.

use crate::api::Subject;
use crate::testing::{Net, release};

#[test]
fn five_vaults_make_a_key_activate_it_and_sign_a_request() {
    let (mut net, certificate) = Net::certified(3, 5);
    let nodes = net.nodes();
    net.sign(&certificate, &Subject::Activation(Box::new(certificate.clone())), &nodes[1..4]);
    let request = net.request(certificate.group_key(), 1, 5);
    net.sign(&certificate, &request, &nodes[..3]);
    // Every share takes part in some signature (R31).
    net.sign(&certificate, &request, &nodes[2..]);
}

#[test]
fn a_restarted_vault_signs_with_what_it_stored() {
    let (mut net, certificate) = Net::certified(2, 3);
    let nodes = net.nodes();
    let request = net.request(certificate.group_key(), 1, 5);
    let package = net.package(certificate.key_id(), &request, &nodes[..2]);
    net.restart(nodes[0]);
    net.refuses(nodes[0], release(&request, &package), firn_proto::Code::CommitmentUnknown);
    net.sign(&certificate, &request, &nodes[..2]);
}
