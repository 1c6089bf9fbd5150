//! Signing in: under any name on the local cloud, else at the OpenID provider.

use api_gateway::issuer::Issuer;
use api_gateway::verifier::KeySource;
use bff::invoke::Invoke;
use bff::{Answer, Problem, Request};
use jiff::Timestamp;
use saga::{Failure, FailureKind};
use serde::Deserialize;
use serde_json::json;

use super::bff::{Front, from_here, not_ours};
use super::troubled;
use crate::config::{OpenId, SignIn};
use crate::pages::sign_in::{Way, render};
use crate::pages::{Place, Who, encoded, root_of};
use crate::provider::Provider;
use crate::session::{Proof, safe_back};

/// As long as what `cargo xtask token` gives.
const TTL_SECONDS: i64 = 3_600;
/// What a name may have besides letters and digits.
const MARKS: &str = "._@-";
const NAME_LENGTH_MAX: usize = 64;
/// What the button says if nobody says otherwise.
const NAME: &str = "ada";
/// Where the provider sends people back to, beside this page.
const CALLBACK: &str = "signed-in";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    #[serde(default)]
    proof: String,
    #[serde(default)]
    back: String,
    #[serde(default)]
    name: String,
}

impl<S: Invoke, K: KeySource, P: Provider> Front<S, K, P> {
    /// `GET /web/sign-in`: the page, or the way to the provider.
    pub(super) fn sign_in(
        &self,
        request: &Request,
        new_secret: impl Fn() -> String,
    ) -> Result<Answer, Problem> {
        let query = request.query(&["back", "go"])?;
        let back = safe_back(query.text("back").unwrap_or_default());
        let go = query.text("go").is_some();
        let kept = request.cookie(self.door.cookies.signing_in()).filter(|it| !it.is_empty());
        let secret = kept.map_or_else(new_secret, str::to_owned);
        let proof = Proof(&secret);
        let answer = match &self.door.sign_in {
            SignIn::OpenId(open_id) if go => {
                let callback = callback(request)?;
                Answer::see_other(authorize_url(open_id, proof, back, &callback))
            }
            SignIn::Local(_) | SignIn::OpenId(_) | SignIn::Nowhere => {
                let place = self.place(request, proof);
                Answer::html(200, render(&place, self.way(), back, NAME, None))
            }
        };
        Ok(answer.with("Set-Cookie", self.door.cookies.keep_signing_in(&secret)))
    }

    /// `POST /web/sign-in`: a token for any name, signed with the local cloud's key.
    pub(super) fn signed_in_here(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let SignIn::Local(issuer) = &self.door.sign_in else {
            return Err(Problem::not_found("nobody signs in here"));
        };
        request.query(&[])?;
        from_here(request)?;
        let Form { proof, back, name } = request.form()?;
        let secret = request.cookie(self.door.cookies.signing_in()).ok_or_else(not_ours)?;
        if !Proof(secret).is_of_form(&proof) {
            return Err(not_ours());
        }
        let (back, name) = (safe_back(&back), name.trim());
        if !is_name(name) {
            let problem = Problem::validation("the name is not one");
            let text = "A name has 1 to 64 letters, digits, and . _ @ -, and begins with a letter or a digit.";
            let place = self.place(request, Proof(secret));
            let page = render(&place, self.way(), back, name, Some(text));
            return Ok(troubled(&problem, page));
        }
        let token = self.issue(issuer, name, now)?;
        Ok(self.signed_in(request, &token, TTL_SECONDS, back))
    }

    /// `GET /web/signed-in`: back from the provider, with a code or without.
    pub(super) async fn signed_in_there(
        &self,
        request: &Request,
        now: Timestamp,
    ) -> Result<Answer, Problem> {
        let SignIn::OpenId(open_id) = &self.door.sign_in else {
            return Err(Problem::not_found("nobody comes back here"));
        };
        // Providers add what they like.
        let query = request.any_query();
        let text = |name: &str| query.get(name).copied().unwrap_or_default();
        let secret = request.cookie(self.door.cookies.signing_in()).ok_or_else(not_ours)?;
        let proof = Proof(secret);
        let back = proof.back_of_state(text("state")).ok_or_else(not_ours)?;
        let refused = |text: &str| {
            let problem = Problem::new(bff::ProblemKind::Unauthenticated, "not signed in");
            let page =
                render(&self.place(request, proof), self.way(), safe_back(&back), NAME, Some(text));
            troubled(&problem, page)
        };
        if text("code").is_empty() {
            return Ok(refused("The provider did not sign you in. You can try again."));
        }
        let callback = callback(request)?;
        let exchanged =
            self.provider.exchange(open_id, text("code"), &callback, &proof.verifier()).await;
        let token = match exchanged {
            Ok(token) => token,
            Err(failure) if failure.kind() == FailureKind::Rejected => {
                return Ok(refused("That took too long, or was used before. Please try again."));
            }
            Err(failure) => return Err(failure.into()),
        };
        match self.verifier.verify(&token, now).await {
            Ok(principal) if principal.is("customer") => {
                let seconds = principal.expires_at.duration_since(now).as_secs();
                Ok(self.signed_in(request, &token, seconds, safe_back(&back)))
            }
            Ok(_) | Err(_) => Ok(refused("Your account is good, but does not open these pages.")),
        }
    }

    fn signed_in(&self, request: &Request, token: &str, seconds: i64, back: &str) -> Answer {
        let kept = self.door.cookies.keep_session(token, seconds);
        Answer::see_other(format!("{}{back}", root_of(request.raw_path()))).with("Set-Cookie", kept)
    }

    fn issue(&self, issuer: &Issuer, name: &str, now: Timestamp) -> Result<String, Failure> {
        let expected = &self.door.expectations;
        let now = now.as_second();
        let claims = json!({
            "iss": expected.issuer, "aud": expected.audience, "sub": name, "scope": "customer",
            "iat": now, "nbf": now, "exp": now + TTL_SECONDS,
        });
        issuer.sign(&claims).map_err(Failure::broken)
    }

    fn way(&self) -> Way {
        match &self.door.sign_in {
            SignIn::Local(_) => Way::Anybody,
            SignIn::OpenId(_) => Way::Provider,
            SignIn::Nowhere => Way::Closed,
        }
    }

    fn place(&self, request: &Request, proof: Proof<'_>) -> Place {
        let root = root_of(request.raw_path());
        Place { root, who: Who::Nobody, proof: proof.of_form() }
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_LENGTH_MAX).contains(&name.len())
        && name.starts_with(|it: char| it.is_ascii_alphanumeric())
        && name.chars().all(|it| it.is_ascii_alphanumeric() || MARKS.contains(it))
}

/// The provider wants a whole address, and compares it with the one that it was told of.
fn callback(request: &Request) -> Result<String, Problem> {
    let here = request.address().ok_or_else(|| Problem::validation("the request names no host"))?;
    let (folder, _) = here.rsplit_once('/').unwrap_or((&here, ""));
    Ok(format!("{folder}/{CALLBACK}"))
}

fn authorize_url(open_id: &OpenId, proof: Proof<'_>, back: &str, callback: &str) -> String {
    let joint = if open_id.authorize_url.contains('?') { '&' } else { '?' };
    format!(
        "{}{joint}response_type=code&client_id={}&redirect_uri={}&scope={}&state={}&code_challenge={}&code_challenge_method=S256",
        open_id.authorize_url,
        encoded(&open_id.client_id),
        encoded(callback),
        encoded("openid customer"),
        encoded(&proof.of_state(back)),
        encoded(&proof.challenge()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain() {
        for good in ["ada", "a", "ada@example.com", "A.b_c-9"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".a", "a b", "a/b", "é", "<script>", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
