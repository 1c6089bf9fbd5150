//! A browser of the test's own: headless Chromium behind its driver.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use platform::{Platform, eventually, root, variable};
use serde_json::{Value, json};
use thirtyfour::WindowHandle;
use thirtyfour::common::log::LoggingPrefsLogLevel;
use thirtyfour::prelude::*;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// Screens that every page is checked on, as width and height in CSS pixels. 320 is the width that content must fit without
/// scrolling sideways (WCAG 2.2, 1.4.10), and what a wide screen shows at 400 %.
const SCREENS: [(u32, u32); 3] = [NARROWEST, PHONE, WIDE];
/// The narrowest screen that pages support.
pub(crate) const NARROWEST: (u32, u32) = (320, 640);
/// A phone.
const PHONE: (u32, u32) = (390, 844);
/// A laptop.
const WIDE: (u32, u32) = (1_280, 900);
/// Screens that pictures are taken on.
const PICTURED: [(u32, u32); 2] = [PHONE, WIDE];

/// How often a browser that does not start is started again.
const STARTS_MAX: usize = 3;

/// Checks a page: axe-core's rules and our own.
const FINDINGS: &str = include_str!("findings.js");
/// Where the test command has put axe-core.
const AXE_VARIABLE: &str = "PARKADE_AXE";
/// Where axe-core is when the browser tests run without the test command, after it has fetched it once.
const AXE: &str = ".local/axe-core/axe_playwright_python/axe.min.js";

/// A window, and the processes behind it.
pub(crate) struct Browser {
    // Dropped first, which closes the window, also when a test has failed: a browser outlives its driver's process.
    pub(crate) driver: WebDriver,
    api: String,
    _process: Child,
}

impl Browser {
    /// Opens a window without a session.
    pub(crate) async fn open(platform: &Platform) -> Self {
        let mut refused = Vec::new();
        let (driver, process) = loop {
            match start().await {
                Ok(started) => break started,
                Err(why) if refused.len() < STARTS_MAX => refused.push(why),
                Err(why) => unreachable!("no browser: {why}, after {refused:?}"),
            }
        };
        let browser = Self { driver, api: platform.api().to_owned(), _process: process };
        browser.screen(WIDE).await;
        browser
    }

    /// A page below the API's address.
    pub(crate) async fn goto(&self, path: &str) {
        self.driver.goto(&format!("{}{path}", self.api)).await.unwrap();
    }

    /// Signs in by the button, under this name.
    pub(crate) async fn sign_in(&self, site: &str, name: &str) {
        self.goto(&format!("{site}/")).await;
        self.see("Sign in").await;
        self.fill("#name", name).await;
        self.click("form.card button").await;
        self.see_in(".who", name).await;
    }

    /// Clicks once it is there; what changes by itself may take it away in between.
    pub(crate) async fn click(&self, css: &str) {
        eventually(&format!("{css} can be clicked"), async || {
            // The driver scrolls to it by itself.
            self.driver.find(By::Css(css)).await.ok()?.click().await.ok()
        })
        .await;
    }

    pub(crate) async fn fill(&self, css: &str, text: &str) {
        let field = self.find(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    /// Chooses an option of a list.
    pub(crate) async fn choose(&self, css: &str, value: &str) {
        self.click(&format!("{css} option[value='{value}']")).await;
    }

    pub(crate) async fn find(&self, css: &str) -> WebElement {
        eventually(&format!("{css} is there"), async || self.driver.find(By::Css(css)).await.ok())
            .await
    }

    pub(crate) async fn is_there(&self, css: &str) -> bool {
        self.driver.find(By::Css(css)).await.is_ok()
    }

    /// Waits until the page's content shows this text.
    pub(crate) async fn see(&self, text: &str) {
        self.see_in("main", text).await;
    }

    pub(crate) async fn see_in(&self, css: &str, text: &str) {
        eventually(&format!("{css} shows: {text}"), async || {
            self.text(css).await.contains(text).then_some(())
        })
        .await;
    }

    /// The text of what is shown there; empty if it is not.
    pub(crate) async fn text(&self, css: &str) -> String {
        match self.driver.find(By::Css(css)).await {
            Ok(found) => found.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }

    /// Opens another tab of the same browser, which shares all cookies, and switches to it. Returns the tab that was open.
    pub(crate) async fn new_tab(&self) -> WindowHandle {
        let before = self.driver.window().await.unwrap();
        let tab = self.driver.new_tab().await.unwrap();
        self.switch_to(&tab).await;
        self.screen(WIDE).await;
        before
    }

    pub(crate) async fn switch_to(&self, tab: &WindowHandle) {
        self.driver.switch_to_window(tab.clone()).await.unwrap();
    }

    /// Forgets a cookie, as a browser does when it expires.
    pub(crate) async fn forget(&self, cookie: &str) {
        self.driver.get_named_cookie(cookie).await.expect("the cookie is there");
        self.driver.delete_cookie(cookie).await.unwrap();
    }

    pub(crate) async fn has_cookie(&self, cookie: &str) -> bool {
        self.driver.get_named_cookie(cookie).await.is_ok()
    }

    /// Sends a form as a browser does that does not check what is written, as some do not.
    pub(crate) async fn do_not_validate(&self, form: &str) {
        self.run(&format!("document.querySelector(\"{form}\").noValidate = true;")).await;
    }

    /// The addresses that the page's script has requested since the document was marked.
    ///
    /// The browser's own list of resources lacks those whose response the script has not read.
    pub(crate) async fn fetched(&self) -> Value {
        self.run("return window.fetchedSinceMark;").await
    }

    /// Marks the document, so that one that was loaded since is known to be another; and notes what its script requests.
    pub(crate) async fn mark(&self) {
        let mark = "document.documentElement.dataset.mark = 'it';
            const original = window.fetch;
            window.fetchedSinceMark = [];
            window.fetch = (address, options) => {
                window.fetchedSinceMark.push(String(address));
                return original(address, options);
            };";
        self.run(mark).await;
    }

    pub(crate) async fn is_marked(&self) -> bool {
        self.run("return document.documentElement.dataset.mark === 'it';").await == json!(true)
    }

    pub(crate) async fn run(&self, script: &str) -> Value {
        self.driver.execute(script, []).await.unwrap().json().clone()
    }

    /// Goes through the list of slots, page by page, to the one of this name; and opens its form.
    pub(crate) async fn open_slot(&self, name: &str) {
        let opener = format!(
            "for (const slot of document.querySelectorAll('.slot')) {{
                if (slot.querySelector('h2').textContent === '{name}') {{
                    slot.id = 'wanted';
                    slot.querySelector('details').open = true;
                    return true;
                }}
            }}
            return false;"
        );
        while self.run(&opener).await != json!(true) {
            self.click("a[rel=next]").await;
        }
    }

    /// Opens the form that discards a dead letter. Another test that looks at the queue hides the message for a moment.
    pub(crate) async fn open_discard(&self, id: &str) {
        let opener = format!(
            "const form = document.getElementById('discard-{id}');
            if (form) form.open = true;
            return form !== null;"
        );
        eventually(&format!("message {id} is listed"), async || {
            self.goto("/operator/room/dead-letters").await;
            (self.run(&opener).await == json!(true)).then_some(())
        })
        .await;
    }

    pub(crate) async fn screen(&self, (width, height): (u32, u32)) {
        let metrics = json!({
            "width": width, "height": height, "screenWidth": width, "screenHeight": height,
            "deviceScaleFactor": 1, "mobile": width < 600,
        });
        self.chromium("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    pub(crate) async fn scheme(&self, scheme: &str) {
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.chromium("Emulation.setEmulatedMedia", features).await;
    }

    async fn chromium(&self, method: &str, parameters: Value) -> Value {
        self.driver.cdp().send_raw(method, parameters).await.unwrap()
    }

    /// Checks the page on all screens, light and dark: axe-core finds nothing, nothing is wider than the screen and nothing
    /// comes from another origin. With `PARKADE_SCREENSHOTS`, keeps pictures in that folder.
    pub(crate) async fn look(&self, name: &str) {
        for screen in SCREENS {
            self.check(name, screen).await;
            if PICTURED.contains(&screen) {
                self.keep(&format!("{name}-{}", screen.0)).await;
            }
        }
    }

    /// The same without pictures.
    pub(crate) async fn check_all(&self, name: &str) {
        for screen in SCREENS {
            self.check(name, screen).await;
        }
    }

    /// The same on one screen.
    pub(crate) async fn check(&self, name: &str, screen: (u32, u32)) {
        self.screen(screen).await;
        // Light at the end, as for pictures.
        for scheme in ["dark", "light"] {
            self.scheme(scheme).await;
            let findings = self.findings().await;
            assert_eq!(findings, json!([]), "{name}, {scheme}, {} px", screen.0);
        }
    }

    async fn findings(&self) -> Value {
        if self.run("return typeof axe === 'undefined';").await == json!(true) {
            self.run(&axe()).await;
        }
        self.driver.execute_async(FINDINGS, []).await.unwrap().json().clone()
    }

    async fn keep(&self, name: &str) {
        let Some(folder) = variable("PARKADE_SCREENSHOTS") else { return };
        let folder = root().join(folder);
        // What is longer than that tells nothing more.
        let size = "return [innerWidth, Math.min(document.documentElement.scrollHeight, 2000)];";
        let size = self.run(size).await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let wanted = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let taken = self.chromium("Page.captureScreenshot", wanted).await;
        let png = {
            use base64::Engine as _;
            let text = taken["data"].as_str().unwrap();
            base64::engine::general_purpose::STANDARD.decode(text).unwrap()
        };
        std::fs::create_dir_all(&folder).unwrap();
        let path: PathBuf = folder.join(format!("{name}.png"));
        std::fs::write(path, png).unwrap();
    }

    /// The end of a test: nothing that the browser complained of goes unsaid.
    pub(crate) async fn close(self) {
        let log = self.driver.browser_log().await.unwrap().into_iter();
        // Problems are answers too, and the test that wants one looks at its page.
        let complaints =
            log.map(|it| it.message).filter(|it| !it.contains("Failed to load resource"));
        assert_eq!(complaints.collect::<Vec<_>>(), [""; 0]);
        self.driver.quit().await.unwrap();
    }
}

/// The source of axe-core.
fn axe() -> String {
    let path = root().join(variable(AXE_VARIABLE).unwrap_or_else(|| AXE.to_owned()));
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        unreachable!("{}: {error}; `cargo xtask test --only e2e` fetches axe-core", path.display())
    })
}

/// A driver, and a window that it has opened. Two that start at once may get into each other's way.
async fn start() -> Result<(WebDriver, Child), String> {
    let mut process = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| {
            unreachable!(
                "chromedriver: {error}; Debian's packages are chromium and chromium-driver"
            )
        });
    let port = port_of(&mut process).await?;
    let mut wanted = DesiredCapabilities::chrome();
    for argument in [
        "--headless=new",
        // As root, which is who runs tests in a container; its pages are our own.
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--hide-scrollbars",
    ] {
        wanted.add_arg(argument).unwrap();
    }
    wanted.set_browser_log_level(LoggingPrefsLogLevel::All).unwrap();
    // A connection for each request: when a test has failed, its runtime stands still, and what goes through it does.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let driver = WebDriver::builder(format!("http://127.0.0.1:{port}"), wanted).client(client);
    Ok((driver.connect().await.map_err(|error| error.to_string())?, process))
}

async fn port_of(process: &mut Child) -> Result<u16, String> {
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let reported = async {
        while let Some(line) = lines.next_line().await.map_err(|error| error.to_string())? {
            // It first says that it wants port 0, which is any.
            let reported = line.split("successfully on port ").nth(1);
            let port = reported.and_then(|it| it.trim_end_matches('.').parse().ok());
            if let Some(port) = port {
                return Ok(port);
            }
        }
        Err("chromedriver has ended".to_owned())
    };
    let reported = tokio::time::timeout(Duration::from_secs(20), reported).await;
    let port = reported.unwrap_or_else(|late| Err(late.to_string()))?;
    // Whatever it prints from now on must not fill its pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    sleep(Duration::from_millis(50)).await;
    Ok(port)
}
