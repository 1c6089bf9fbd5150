//! Signature Version 4, which authenticates requests to AWS.

use jiff::Timestamp;
use ring::hmac;

use super::Credentials;
use crate::files::{hash, hexadecimal};

/// What is signed: all that this package sends has neither a query nor a path to be escaped.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) service: &'a str,
    pub(super) region: &'a str,
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) host: &'a str,
    pub(super) body: &'a [u8],
}

/// The headers that make a request a signed one.
pub(super) fn headers(
    request: &Request<'_>,
    credentials: &Credentials,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = time.get(..8).unwrap_or_default();
    let content = hash(request.body);
    let mut headers = vec![("host", request.host.to_owned())];
    if request.service == "s3" {
        // Only S3 needs the body's hash in a header too.
        headers.push(("x-amz-content-sha256", content.clone()));
    }
    headers.push(("x-amz-date", time.clone()));
    let names: Vec<_> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("{}\n{}\n\n{lines}\n{names}\n{content}", request.method, request.path);
    let scope = format!("{day}/{}/{}/aws4_request", request.region, request.service);
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hash(canonical.as_bytes()));
    let seed = format!("AWS4{}", credentials.secret_key).into_bytes();
    let key = [day, request.region, request.service, "aws4_request"]
        .iter()
        .fold(seed, |key, part| sign(&key, part.as_bytes()));
    let signature = hexadecimal(&sign(&key, to_sign.as_bytes()));
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
        credentials.access_key
    );
    headers.push(("authorization", authorization));
    headers
}

fn sign(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Request, headers};
    use crate::aws::Credentials;

    /// "get-vanilla" of the test suite that AWS publishes.
    #[test]
    fn the_signature_is_the_published_one() {
        let request = Request {
            service: "service",
            region: "us-east-1",
            method: "GET",
            path: "/",
            host: "example.amazonaws.com",
            body: b"",
        };
        let credentials = Credentials {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let now: Timestamp = "2015-08-30T12:36:00Z".parse().expect("a time");
        let headers = headers(&request, &credentials, now);
        assert_eq!(headers[1], ("x-amz-date", "20150830T123600Z".to_owned()));
        assert_eq!(
            headers[2].1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        );
    }
}
