//! `TreasuryPay`, `SetPayee` and `HandOver`: what the treasury pays, to whom it may, and who comes after it.

use super::Act;
use super::contracts::ITreasury::{handOverCall, payCall, payLargeCall, setPayeeCall};
use super::contracts::PayeeTerms;
use super::way::{Opened, Way};
use crate::account::Call;
use crate::code::{Code, Refusal};
use crate::definition::{Contracts, Purpose};
use crate::limits::HANDED_TOKENS_MAX;
use crate::operation::form::written;
use crate::operation::{Operation, Rendering, Terms, calldata, nonzero};
use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, sol};
use serde::{Deserialize, Serialize};

sol! {
    /// Pay `amount` of a token, the zero address being ether, to a listed payee: from its small budget or from its large one.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct TreasuryPay {
        #[serde(with = "written")] address avs;
        #[serde(with = "written")] address token;
        #[serde(with = "written")] address to;
        #[serde(with = "written")] uint256 amount;
        bool large;
        string step;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }

    /// List a payee for a token with its two budgets per window, change them, or by zeros take it off.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SetPayee {
        #[serde(with = "written")] address avs;
        #[serde(with = "written")] address token;
        #[serde(with = "written")] address payee;
        #[serde(with = "written")] uint256 budget;
        #[serde(rename = "large_budget", with = "written")] uint256 largeBudget;
        uint32 window;
        string step;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }

    /// Make `successor` the treasury from now on, and send it all there is of these tokens, the zero address being ether.
    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct HandOver {
        #[serde(with = "written")] address avs;
        #[serde(with = "written")] address successor;
        #[serde(with = "written")] address[] tokens;
        string step;
        #[serde(with = "written")] bytes32 reference;
        #[serde(with = "written")] address account;
        #[serde(with = "written")] uint256 nonce;
        uint64 deadline;
    }
}

impl Act for TreasuryPay {
    const PURPOSE: Purpose = Purpose::Treasury;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, _: &Contracts) -> Result<(), Refusal> {
        nonzero(&[("to", self.to)])?;
        if self.amount.is_zero() {
            return Err(Refusal::new(Code::OperationFieldInvalid, "amount: nothing"));
        }
        Way::Manager(&self.step).check(Some(self.reference), 0)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let Self { token, to, amount, reference, .. } = *self;
        let data = if self.large {
            payLargeCall { requestId: reference, token, to, amount }.abi_encode()
        } else {
            payCall { requestId: reference, token, to, amount }.abi_encode()
        };
        Way::Manager(&self.step).call(contracts, contracts.treasury, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let title = format!("pay {} to {} for AVS {}", sum(self.amount, self.token), self.to, self.avs);
        let details = [format!("reference {}", self.reference), format!("from treasury {}", contracts.treasury)];
        let large = "from the large budget, of which more can be lost than of the small one".to_owned();
        Rendering {
            title,
            details: Way::Manager(&self.step).show(contracts).into_iter().chain(details).collect(),
            warnings: self.large.then_some(large).into_iter().collect(),
        }
    }
}

impl Act for SetPayee {
    const PURPOSE: Purpose = Purpose::Governance;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    /// What the treasury itself demands, said before anybody signs.
    fn sound(&self, contracts: &Contracts) -> Result<(), Refusal> {
        nonzero(&[("payee", self.payee)])?;
        let refuse = |why: &str| Err(Refusal::new(Code::OperationFieldInvalid, why));
        if self.payee == contracts.treasury {
            return refuse("payee: the treasury itself");
        }
        if self.budget.max(self.largeBudget) > U256::from(u128::MAX) {
            return refuse("budget and large_budget: at most 2^128 - 1");
        }
        if (self.window == 0) != self.takes_off() {
            return refuse("window: budgets need one, and a payee that is taken off has none");
        }
        Way::Manager(&self.step).check(Some(self.reference), 0)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let Self { token, payee, window, reference, .. } = *self;
        let (budget, large) = (self.budget.saturating_to(), self.largeBudget.saturating_to());
        let terms = PayeeTerms { budget, largeBudget: large, window };
        let data = setPayeeCall { requestId: reference, token, payee, terms }.abi_encode();
        Way::Manager(&self.step).call(contracts, contracts.treasury, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let token = name_of(self.token);
        let what = if self.takes_off() { "no longer let" } else { "let" };
        let title =
            format!("{what} the treasury of AVS {avs} pay {token} to {payee}", avs = self.avs, payee = self.payee);
        let (small, large) = (sum(self.budget, self.token), sum(self.largeBudget, self.token));
        let budgets = format!("{small} in {window} seconds, or {large} after the longer delay", window = self.window);
        let terms = (!self.takes_off()).then_some(budgets);
        let warning =
            (!self.takes_off()).then(|| "the treasury's key alone may pay that much, again and again".to_owned());
        let details = terms.into_iter().chain([format!("reference {}", self.reference)]);
        Rendering {
            title,
            details: Way::Manager(&self.step).show(contracts).into_iter().chain(details).collect(),
            warnings: warning.into_iter().collect(),
        }
    }
}

impl Act for HandOver {
    const PURPOSE: Purpose = Purpose::Governance;

    fn common(&self) -> Terms {
        Terms { avs: self.avs, account: self.account, nonce: self.nonce, deadline: self.deadline }
    }

    fn sound(&self, contracts: &Contracts) -> Result<(), Refusal> {
        nonzero(&[("successor", self.successor)])?;
        let refuse = |why: String| Err(Refusal::new(Code::OperationFieldInvalid, why));
        if self.successor == contracts.treasury {
            return refuse("successor: the treasury itself".to_owned());
        }
        if self.tokens.len() > HANDED_TOKENS_MAX || !self.tokens.is_sorted_by(|a, b| a < b) {
            return refuse(format!("tokens: {HANDED_TOKENS_MAX} at most, each once, in ascending order"));
        }
        Way::Manager(&self.step).check(Some(self.reference), 0)
    }

    fn act(&self, contracts: &Contracts) -> Call {
        let Self { successor, ref tokens, reference, .. } = *self;
        let data = handOverCall { requestId: reference, successor, tokens: tokens.clone() }.abi_encode();
        Way::Manager(&self.step).call(contracts, contracts.treasury, data)
    }

    fn show(&self, contracts: &Contracts) -> Rendering {
        let all = self.tokens.iter().map(|token| format!("with all there is of {}", name_of(*token)));
        let details = [format!("reference {}", self.reference), format!("from treasury {}", contracts.treasury)];
        let lasting =
            "for good: this treasury pays nobody any more, and anybody may push what still arrives to the successor";
        Rendering {
            title: format!("hand the treasury of AVS {} over to {}", self.avs, self.successor),
            details: Way::Manager(&self.step).show(contracts).into_iter().chain(all).chain(details).collect(),
            warnings: vec![format!("{} gets all of it, whoever it is", self.successor), lasting.to_owned()],
        }
    }
}

impl SetPayee {
    fn takes_off(&self) -> bool {
        self.budget.is_zero() && self.largeBudget.is_zero()
    }
}

fn name_of(token: Address) -> String {
    if token.is_zero() { "ether".to_owned() } else { format!("token {token}") }
}

/// An amount in the token's smallest unit: how many of them a whole one has, only the token knows.
fn sum(amount: U256, token: Address) -> String {
    if token.is_zero() { format!("{amount} wei") } else { format!("{amount} smallest units of token {token}") }
}

pub(super) fn decode(opened: &Opened, terms: Terms) -> Result<Option<Operation>, Refusal> {
    let Terms { avs, account, nonce, deadline } = terms;
    let Opened { step, data, .. } = opened;
    let pay = |large, reference, token, to, amount| {
        let step = step.clone();
        TreasuryPay { avs, token, to, amount, large, step, reference, account, nonce, deadline }
    };
    if let Some(payCall { requestId, token, to, amount }) = calldata::decode(data)? {
        return Ok(Some(Operation::TreasuryPay(pay(false, requestId, token, to, amount))));
    }
    if let Some(payLargeCall { requestId, token, to, amount }) = calldata::decode(data)? {
        return Ok(Some(Operation::TreasuryPay(pay(true, requestId, token, to, amount))));
    }
    if let Some(handOverCall { requestId: reference, successor, tokens }) = calldata::decode(data)? {
        let step = step.clone();
        let over = HandOver { avs, successor, tokens, step, reference, account, nonce, deadline };
        return Ok(Some(Operation::HandOver(over)));
    }
    let Some(setPayeeCall { requestId, token, payee, terms }) = calldata::decode(data)? else { return Ok(None) };
    Ok(Some(Operation::SetPayee(SetPayee {
        avs,
        token,
        payee,
        budget: U256::from(terms.budget),
        largeBudget: U256::from(terms.largeBudget),
        window: terms.window,
        step: step.clone(),
        reference: requestId,
        account,
        nonce,
        deadline,
    })))
}
