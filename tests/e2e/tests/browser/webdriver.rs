//! As much of [WebDriver](https://www.w3.org/TR/webdriver2/) as these tests need: JSON over HTTP to chromedriver.
//!
//! The clients there are bring more than that: one a licence that is not permissive, another a feature of `serde_json`
//! that would be built into every function of the workspace.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};

/// What the specification calls the member that names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

const CLOSES_WITHIN: Duration = Duration::from_secs(5);

/// One window, which is closed when dropped.
pub(crate) struct Driver {
    http: Client,
    session: String,
}

/// Something on a page; gone when the page is.
pub(crate) struct Element<'a> {
    driver: &'a Driver,
    id: String,
}

/// Why a command came to nothing, in the driver's words.
pub(crate) type Refused = String;

impl Driver {
    /// Opens a window at the driver that listens there.
    pub(crate) async fn open(port: u16, arguments: &[&str]) -> Result<Self, Refused> {
        let http = Client::new();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        } } });
        let root = format!("http://127.0.0.1:{port}/session");
        let made = send(&http, Method::POST, &root, Some(wanted)).await?;
        let session = format!("{root}/{}", made["sessionId"].as_str().unwrap());
        Ok(Self { http, session })
    }

    async fn post(&self, command: &str, body: Value) -> Result<Value, Refused> {
        send(&self.http, Method::POST, &format!("{}/{command}", self.session), Some(body)).await
    }

    async fn get(&self, what: &str) -> Result<Value, Refused> {
        send(&self.http, Method::GET, &format!("{}/{what}", self.session), None).await
    }

    pub(crate) async fn goto(&self, url: &str) -> Result<Value, Refused> {
        self.post("url", json!({ "url": url })).await
    }

    pub(crate) async fn url(&self) -> String {
        self.get("url").await.unwrap().as_str().unwrap().to_owned()
    }

    /// The first element that a selector of CSS finds.
    pub(crate) async fn find(&self, css: &str) -> Result<Element<'_>, Refused> {
        let found = self.post("element", json!({ "using": "css selector", "value": css })).await?;
        Ok(Element { driver: self, id: found[ELEMENT].as_str().unwrap().to_owned() })
    }

    /// What a script returns.
    pub(crate) async fn run(&self, script: &str) -> Result<Value, Refused> {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn chromium(&self, method: &str, parameters: Value) -> Result<Value, Refused> {
        self.post("goog/cdp/execute", json!({ "cmd": method, "params": parameters })).await
    }

    /// What the browser has complained of.
    pub(crate) async fn log(&self) -> Result<Value, Refused> {
        self.post("se/log", json!({ "type": "browser" })).await
    }
}

impl Drop for Driver {
    /// Closes the window, also when a test has failed: a browser outlives its driver.
    fn drop(&mut self) {
        let close = || {
            let (host, path) = self.session.strip_prefix("http://")?.split_once('/')?;
            let mut driver = TcpStream::connect(host).ok()?;
            driver.set_read_timeout(Some(CLOSES_WITHIN)).ok()?;
            let request =
                format!("DELETE /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            driver.write_all(request.as_bytes()).ok()?;
            // It answers once the browser is gone; whatever it says, there is nobody left to tell.
            driver.read(&mut [0; 64]).ok()
        };
        close();
    }
}

impl Element<'_> {
    pub(crate) async fn click(&self) -> Result<Value, Refused> {
        self.driver.post(&format!("element/{}/click", self.id), json!({})).await
    }

    pub(crate) async fn clear(&self) -> Result<Value, Refused> {
        self.driver.post(&format!("element/{}/clear", self.id), json!({})).await
    }

    pub(crate) async fn keys(&self, text: &str) -> Result<Value, Refused> {
        self.driver.post(&format!("element/{}/value", self.id), json!({ "text": text })).await
    }

    pub(crate) async fn text(&self) -> Result<String, Refused> {
        let text = self.driver.get(&format!("element/{}/text", self.id)).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }
}

async fn send(
    http: &Client,
    method: Method,
    url: &str,
    body: Option<Value>,
) -> Result<Value, Refused> {
    let mut request = http.request(method, url);
    if let Some(body) = body {
        request = request.json(&body);
    }
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let is_good = answer.status().is_success();
    let mut told: Value = answer.json().await.map_err(|error| error.to_string())?;
    if is_good { Ok(told["value"].take()) } else { Err(told["value"].to_string()) }
}
