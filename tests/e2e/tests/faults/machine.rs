//! The deployed machine with a function between it and the services.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_lambda::types::{Environment, FunctionCode, Runtime};
use aws_sdk_sfn::Client;
use platform::{Platform, eventually};
use serde_json::{Value, json};

const MACHINE: &str =
    "arn:aws:states:us-east-1:000000000000:stateMachine:parkade-local-booking-saga";
const DOUBLE: &str = "arn:aws:lambda:us-east-1:000000000000:function:parkade-tests-double";
const INVOKE: &str = "arn:aws:states:::lambda:invoke";
/// What stands in the comment of a definition that is not the real one.
const MARK: &str = "Substituted by a test.";
/// A task must take longer than a cold start on a busy machine, and less than the double takes when it hangs.
const TASK_SECONDS: u64 = 4;

/// A task that asks a service for something.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// Its own undo, if it is a step of the saga: the first of its service on the way that its catch leads.
    pub(crate) undo: Option<String>,
}

/// While it is there, the deployed machine is another.
#[derive(Debug)]
pub(crate) struct Substituted {
    sagas: Client,
    original: String,
    definition: Value,
    tasks: Vec<Task>,
    plans: PathBuf,
}

impl Substituted {
    pub(crate) async fn deploy(platform: &Platform) -> Self {
        let sagas = platform.sfn();
        let deployed = sagas.describe_state_machine().state_machine_arn(MACHINE).send().await;
        let folder = platform.state().join("double");
        fs::create_dir_all(&folder).unwrap();
        let kept = folder.join("original.json");
        let mut original = deployed.unwrap().definition;
        if original.contains(MARK) {
            // Somebody before has not come to the end.
            original = fs::read_to_string(&kept).unwrap();
        } else {
            fs::write(&kept, &original).unwrap();
        }
        let plans = folder.join("plans");
        fs::create_dir_all(&plans).unwrap();
        deploy_double(platform, &folder, &plans).await;
        let mut definition: Value = serde_json::from_str(&original).unwrap();
        let tasks = tasks(&definition);
        definition["Comment"] = json!(MARK);
        let real = definition["States"].clone();
        for task in &tasks {
            let state = &mut definition["States"][&task.name];
            let undo = task.undo.as_ref().map(|undo| target(&real[undo]));
            let mut payload = json!({
                "state": task.name, "slotId.$": "$.slotId", "target": target(&real[&task.name]),
            });
            if let Some(mut undo) = undo {
                // Nothing has set it yet, when an undo comes before its do.
                let payload = undo["payload"].as_object_mut().unwrap();
                if payload.remove("reason.$").is_some() {
                    payload.insert("reason".to_owned(), json!("cancelled"));
                }
                state["Parameters"]["undo"] = undo;
            }
            if let Some(undo) = state["Parameters"].as_object_mut().unwrap().remove("undo") {
                payload["undo"] = undo;
            }
            state["Parameters"] = json!({ "FunctionName": DOUBLE, "Payload": payload });
            state["TimeoutSeconds"] = json!(TASK_SECONDS);
            for retrier in state["Retry"].as_array_mut().unwrap() {
                if retrier["MaxAttempts"] != 0 {
                    retrier["IntervalSeconds"] = json!(1);
                    retrier["MaxDelaySeconds"] = json!(2);
                }
            }
        }
        let substituted = Self { sagas, original, definition, tasks, plans };
        substituted.update(&substituted.definition.to_string()).await;
        substituted
    }

    pub(crate) fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// What is to happen to the saga of this slot: for each state, an action for each attempt; one that ends with `*` for
    /// all that follow as well.
    pub(crate) fn plan(&self, slot: &str, plan: &Value) {
        fs::write(self.plans.join(format!("{slot}.json")), plan.to_string()).unwrap();
    }

    /// Waits until a state has been asked for.
    pub(crate) async fn comes_to(&self, slot: &str, state: &str) {
        let counter = self.plans.join(format!("{slot}.{state}"));
        eventually(&format!("{slot} comes to {state}"), async || counter.exists().then_some(()))
            .await;
    }

    /// From now on, executions end in another way at this state.
    pub(crate) async fn ends_otherwise(&self, state: &str) {
        let mut definition = self.definition.clone();
        definition["States"][state] =
            json!({ "Type": "Fail", "Error": "AnotherVersion", "Cause": "as it says" });
        self.update(&definition.to_string()).await;
    }

    pub(crate) async fn restore(&self) {
        self.update(&self.original).await;
    }

    async fn update(&self, definition: &str) {
        let update = self.sagas.update_state_machine().state_machine_arn(MACHINE);
        update.definition(definition).send().await.unwrap();
    }
}

/// The tasks of a machine that ask a function for something.
fn tasks(definition: &Value) -> Vec<Task> {
    let states = definition["States"].as_object().unwrap();
    let mut happy = vec![definition["StartAt"].as_str().unwrap().to_owned()];
    while let Some(next) = states[happy.last().unwrap()]["Next"].as_str() {
        happy.push(next.to_owned());
    }
    let asks = |name: &&String| states[*name]["Resource"] == INVOKE;
    let undos = states.keys().filter(asks).filter(|name| !happy.contains(name));
    let all = happy.iter().filter(asks).chain(undos);
    all.map(|name| {
        let function = |name: &str| states[name]["Parameters"]["FunctionName"].clone();
        let mut undo = states[name]["Catch"][0]["Next"].as_str();
        while let Some(next) = undo.filter(|next| function(next) != function(name)) {
            undo = states[next]["Next"].as_str();
        }
        let undo = undo.map(str::to_owned).filter(|_| happy.contains(name));
        Task { name: name.clone(), undo }
    })
    .collect()
}

fn target(state: &Value) -> Value {
    let parameters = &state["Parameters"];
    json!({ "function": parameters["FunctionName"], "payload": parameters["Payload"] })
}

async fn deploy_double(platform: &Platform, folder: &std::path::Path, plans: &std::path::Path) {
    let lambda = platform.lambda();
    let code = folder.join("code");
    fs::create_dir_all(&code).unwrap();
    let bootstrap = code.join("bootstrap");
    // Another's process may still run it: a file that is replaced is another file.
    drop(fs::remove_file(&bootstrap));
    fs::copy(env!("CARGO_BIN_EXE_double"), &bootstrap).unwrap();
    let name = DOUBLE.rsplit(':').next().unwrap();
    if lambda.get_function().function_name(name).send().await.is_ok() {
        return;
    }
    let key = code.to_string_lossy().into_owned();
    let code = FunctionCode::builder().s3_bucket("hot-reload").s3_key(key).build();
    let variables = Environment::builder().variables("PLANS", plans.to_string_lossy()).build();
    let create = lambda.create_function().function_name(name).runtime(Runtime::Providedal2023);
    let create = create.handler("bootstrap").role("arn:aws:iam::000000000000:role/double");
    create.code(code).environment(variables).timeout(30).send().await.unwrap();
    eventually("the double can be called", async || {
        let told = lambda.get_function_configuration().function_name(name).send().await.ok()?;
        (told.state.is_some_and(|it| it.as_str() == "Active")).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
}
