//! The deployed state machine with the test double between its tasks and the services.

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
/// The comment of a substituted definition.
const MARK: &str = "Substituted by a test.";
/// Longer than a cold start on a busy machine, and shorter than the double's delay when it hangs.
const TASK_SECONDS: u64 = 4;

/// A task that invokes a function.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// Its compensation, if it is a step of the saga: the first task for the same service on the path of its catch.
    pub(crate) compensation: Option<String>,
}

/// The substituted definition, deployed in place of the original.
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
        let backup = folder.join("original.json");
        let mut original = deployed.unwrap().definition;
        if original.contains(MARK) {
            // An earlier run was interrupted.
            original = fs::read_to_string(&backup).unwrap();
        } else {
            fs::write(&backup, &original).unwrap();
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
            let compensation =
                task.compensation.as_ref().map(|compensation| target(&real[compensation]));
            let mut payload = json!({
                "state": task.name, "slotId.$": "$.slotId", "target": target(&real[&task.name]),
            });
            if let Some(mut compensation) = compensation {
                // This variable has not been assigned if the compensation comes before its action.
                let payload = compensation["payload"].as_object_mut().unwrap();
                if payload.remove("reason.$").is_some() {
                    payload.insert("reason".to_owned(), json!("cancelled"));
                }
                state["Parameters"]["compensation"] = compensation;
            }
            if let Some(compensation) =
                state["Parameters"].as_object_mut().unwrap().remove("compensation")
            {
                payload["compensation"] = compensation;
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

    /// Sets the plan for the saga of this slot: for each state, an action for each attempt; one that ends with `*`
    /// applies to all further attempts.
    pub(crate) fn plan(&self, slot: &str, plan: &Value) {
        fs::write(self.plans.join(format!("{slot}.json")), plan.to_string()).unwrap();
    }

    /// Waits until a state was entered.
    pub(crate) async fn reaches(&self, slot: &str, state: &str) {
        let counter = self.plans.join(format!("{slot}.{state}"));
        eventually(&format!("{slot} reaches {state}"), async || counter.exists().then_some(()))
            .await;
    }

    /// Deploys a definition in which this state fails.
    pub(crate) async fn fail_at(&self, state: &str) {
        let mut definition = self.definition.clone();
        definition["States"][state] =
            json!({ "Type": "Fail", "Error": "AnotherVersion", "Cause": "substituted" });
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

/// The tasks that invoke a function.
fn tasks(definition: &Value) -> Vec<Task> {
    let states = definition["States"].as_object().unwrap();
    let mut happy = vec![definition["StartAt"].as_str().unwrap().to_owned()];
    while let Some(next) = states[happy.last().unwrap()]["Next"].as_str() {
        happy.push(next.to_owned());
    }
    let is_task = |name: &&String| states[*name]["Resource"] == INVOKE;
    let compensations = states.keys().filter(is_task).filter(|name| !happy.contains(name));
    let all = happy.iter().filter(is_task).chain(compensations);
    all.map(|name| {
        let function = |name: &str| states[name]["Parameters"]["FunctionName"].clone();
        let mut compensation = states[name]["Catch"][0]["Next"].as_str();
        while let Some(next) = compensation.filter(|next| function(next) != function(name)) {
            compensation = states[next]["Next"].as_str();
        }
        let compensation = compensation.map(str::to_owned).filter(|_| happy.contains(name));
        Task { name: name.clone(), compensation }
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
    // A running process may still use the file: a replaced file is a new one.
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
    eventually("the double is active", async || {
        let configuration =
            lambda.get_function_configuration().function_name(name).send().await.ok()?;
        (configuration.state.is_some_and(|it| it.as_str() == "Active")).then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
}
