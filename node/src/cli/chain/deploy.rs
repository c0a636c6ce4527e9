//! `firn chain deploy`: the plan's steps, one after the other. Nothing of it gives the deployer any power.

use super::plan::{self, Plan, Step, endpoint};
use super::{DeployArgs, as_text, judged};
use crate::chain::authority::Report;
use crate::cli::request::open_keystore;
use crate::cli::{Output, document, print, talk};
use crate::failure::{Exit, Failure};
use alloy::network::{EthereumWallet, TransactionBuilder};
use alloy::primitives::B256;
use alloy::providers::{DynProvider, Provider, ProviderBuilder};
use alloy::rpc::types::TransactionRequest;
use serde::Serialize;
use std::time::Duration;

/// A transaction without receipt by then is looked for again by the next call.
const RECEIPT: Duration = Duration::from_secs(300);
const LOOK: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct Deployed<'a> {
    executed: bool,
    done: Vec<Done>,
    plan: &'a Plan,
    verification: Option<&'a Report>,
}

#[derive(Clone, Serialize)]
struct Done {
    step: String,
    transaction: B256,
    gas: u64,
}

pub(super) async fn run(args: &DeployArgs, output: Output) -> Result<(), Failure> {
    let which = args.which.look_up().await?;
    let mut plan = plan::make(&which).await?;
    if args.accounts_only {
        plan.only_accounts();
    }
    if !args.execute {
        let view = Deployed { executed: false, done: Vec::new(), plan: &plan, verification: None };
        return print(output, &document("firn.chain-deployment.v1", &view), || {
            format!("{}\ndry run: nothing was sent; --execute sends what is missing", plan.as_text())
        });
    }
    let keystore = args.keystore.as_ref().ok_or_else(|| Failure::usage("nobody pays", "name a key with --keystore"))?;
    let signer = open_keystore(keystore, &args.passphrase)?;
    let sender = ProviderBuilder::default()
        .with_gas_estimation()
        .with_simple_nonce_management()
        .fetch_chain_id()
        .wallet(EthereumWallet::from(signer.clone()))
        .connect_client(which.endpoints.client())
        .erased();
    let mut done: Vec<Done> = Vec::new();
    for step in plan.steps.iter().filter(|step| !step.exists) {
        match send(&sender, step, signer.address()).await {
            Ok(sent) => {
                talk(&format!("{}: at {}, {} gas", step.name, step.address, sent.gas));
                done.push(sent);
            }
            Err(failure) => return Err(stopped(&done, step, &failure)),
        }
    }
    until_final(&plan, &which, args.timeout_seconds).await?;
    if args.accounts_only {
        let view = Deployed { executed: true, done, plan: &plan, verification: None };
        return print(output, &document("firn.chain-deployment.v1", &view), || {
            "the keys' accounts are there".to_owned()
        });
    }
    let report = which.survey(&plan.contracts).await?;
    let view = Deployed { executed: true, done, plan: &plan, verification: Some(&report) };
    print(output, &document("firn.chain-deployment.v1", &view), || {
        format!("{}\n{}", as_text(&report), plan.as_text())
    })?;
    // What EigenLayer shall say is the AVS's to do, as the plan lists it.
    judged(report.differing().filter(|fact| !fact.eigenlayer))
}

/// Simulates, sends, waits, and looks whether the code is where it was said to be.
async fn send(sender: &DynProvider, step: &Step, from: alloy::primitives::Address) -> Result<Done, Failure> {
    let request = TransactionRequest::default().with_from(from).with_to(step.to).with_input(step.calldata.clone());
    sender.call(request.clone()).await.map_err(|error| endpoint("its simulation failed", error))?;
    let pending = sender.send_transaction(request).await.map_err(|error| endpoint("it was not sent", error))?;
    let transaction = *pending.tx_hash();
    let receipt = async {
        loop {
            let found = sender.get_transaction_receipt(transaction).await;
            if let Some(receipt) = found.map_err(|error| endpoint("no receipt", error))? {
                return Ok::<_, Failure>(receipt);
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late =
        |_| Failure::new("DEPLOYMENT_PENDING", format!("transaction {transaction} is in no block"), "", Exit::Timeout);
    let receipt = tokio::time::timeout(RECEIPT, receipt).await.map_err(late)??;
    let code = sender.get_code_at(step.address).await.map_err(|error| endpoint("code", error))?;
    if !receipt.status() || code.is_empty() {
        return Err(Failure::general(
            "DEPLOYMENT",
            format!("transaction {transaction} left nothing at {}", step.address),
        ));
    }
    Ok(Done { step: step.name.clone(), transaction, gas: receipt.gas_used })
}

/// What was done before a step failed.
fn stopped(done: &[Done], step: &Step, failure: &Failure) -> Failure {
    let names: Vec<_> = done.iter().map(|done| done.step.as_str()).collect();
    let before = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
    let cause = format!("{}: {}; done before: {before}", step.name, failure.cause);
    let next = "run the same command again: it skips what is there";
    Failure::new("DEPLOYMENT_STOPPED", cause, next, failure.exit)
}

/// Waits until the finalised block shows the last of it.
async fn until_final(plan: &Plan, which: &super::Which, seconds: u64) -> Result<(), Failure> {
    let rpc = plan::reader(which);
    let finalised = async {
        loop {
            // It is all sent: an endpoint that fails for a moment ends nothing.
            let mut all = true;
            for step in &plan.steps {
                all &= rpc.get_code_at(step.address).finalized().await.is_ok_and(|code| !code.is_empty());
            }
            if all {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = |_| {
        let next = "all of it is sent: run `firn chain verify` later";
        Failure::new("NOT_FINAL", format!("not final after {seconds} s"), next, Exit::Timeout)
    };
    tokio::time::timeout(Duration::from_secs(seconds), finalised).await.map_err(late)
}
