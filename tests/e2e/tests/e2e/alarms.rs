//! An alarm fires, and the topic's subscribers are notified.

use platform::{Platform, eventually};
use reqwest::Method;
use serde_json::Value;
use uuid::Uuid;

const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:parkade-local-alarms";
const DEAD_LETTER_QUEUE: &str = "parkade-local-billing-publish-dead-letters";

/// One call of AWS's query protocol: another SDK would take minutes to compile, for four calls.
async fn call(platform: &Platform, service: &str, version: &str, form: &[(&str, &str)]) -> String {
    let scope = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
    let headers = [
        ("authorization", &*format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0")),
        ("x-amz-date", "20260101T000000Z"),
    ];
    // Names and ARNs: only the colon would need encoding, and it may stay.
    let query: Vec<_> = form.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let url = format!("{}/?Version={version}&{}", platform.endpoint(), query.join("&"));
    let reply = platform.send(Method::POST, &url, &headers, None).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    reply.text
}

async fn cloudwatch(platform: &Platform, form: &[(&str, &str)]) -> String {
    call(platform, "monitoring", "2010-08-01", form).await
}

/// The text of the first element with this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let rest = xml.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// The deployed alarm on the queue: its part of the response.
async fn alarm(platform: &Platform) -> String {
    let all = cloudwatch(platform, &[("Action", "DescribeAlarms"), ("MaxRecords", "100")]).await;
    let mut alarms = all.split("<AlarmName>").skip(1);
    let found = alarms.find(|it| it.contains(&format!("<Value>{DEAD_LETTER_QUEUE}</Value>")));
    format!("<AlarmName>{}", found.expect("the queue has an alarm"))
}

#[tokio::test]
async fn a_dead_letter_triggers_its_alarm_and_notifies_the_topic() {
    let platform = Platform::up();
    let queues = platform.sqs();
    let name = format!("alarmed-{}", Uuid::new_v4());
    let mailbox = queues.create_queue().queue_name(&name).send().await.unwrap();
    let mailbox = mailbox.queue_url.unwrap();
    let endpoint = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
    let subscribe = [
        ("Action", "Subscribe"),
        ("TopicArn", TOPIC),
        ("Protocol", "sqs"),
        ("Endpoint", &endpoint),
        ("ReturnSubscriptionArn", "true"),
    ];
    let subscribed = call(&platform, "sns", "2010-03-31", &subscribe).await;
    let subscription = element(&subscribed, "SubscriptionArn").unwrap().to_owned();

    // In state OK, whatever happened before.
    let found = alarm(&platform).await;
    let name = element(&found, "AlarmName").unwrap();
    put_again(&platform, &found).await;

    let dead = queues
        .get_queue_url()
        .queue_name(DEAD_LETTER_QUEUE)
        .send()
        .await
        .unwrap()
        .queue_url
        .unwrap();
    // A command for a booking that does not exist, so that redriving it is harmless.
    let letter = format!("{{\"republish\":{{\"aggregate\":\"{}\"}}}}", Uuid::new_v4());
    queues.send_message().queue_url(&dead).message_body(&letter).send().await.unwrap();

    eventually(&format!("{name} fires"), async || {
        let found = alarm(&platform).await;
        if element(&found, "StateValue") == Some("ALARM") {
            return Some(());
        }
        // AWS evaluates alarms once a minute. The local cloud does too, and when an alarm is put: so put it unchanged.
        put_again(&platform, &found).await;
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        None
    })
    .await;
    let notification = eventually("the subscriber is notified", async || {
        let received = queues.receive_message().queue_url(&mailbox).send().await.unwrap();
        let messages = received.messages.unwrap_or_default();
        messages.iter().find_map(|it| {
            let notice: Value = serde_json::from_str(it.body.as_deref()?).ok()?;
            let notice: Value = serde_json::from_str(notice["Message"].as_str()?).ok()?;
            (notice["AlarmName"] == name && notice["NewStateValue"] == "ALARM").then_some(notice)
        })
    })
    .await;
    assert_eq!(notification["Trigger"]["MetricName"], "ApproximateNumberOfMessagesVisible");

    // Another run must find the alarm in state OK, and another test only its own dead letters.
    eventually("the dead letter is deleted", async || {
        let looked = queues.receive_message().queue_url(&dead).visibility_timeout(0);
        let letters = looked.max_number_of_messages(10).send().await.unwrap().messages;
        let own = letters?.into_iter().find(|it| it.body.as_deref() == Some(&*letter))?;
        let handle = own.receipt_handle.unwrap();
        queues.delete_message().queue_url(&dead).receipt_handle(handle).send().await.unwrap();
        Some(())
    })
    .await;
    let unsubscribe = [("Action", "Unsubscribe"), ("SubscriptionArn", &*subscription)];
    call(&platform, "sns", "2010-03-31", &unsubscribe).await;
    queues.delete_queue().queue_url(&mailbox).send().await.unwrap();
}

async fn put_again(platform: &Platform, alarm: &str) {
    let description = element(alarm, "AlarmDescription").unwrap().replace(' ', "+");
    let mut form = vec![("Action", "PutMetricAlarm")];
    form.push(("AlarmDescription", &description));
    let names = [
        "AlarmName",
        "Namespace",
        "MetricName",
        "Statistic",
        "Period",
        "EvaluationPeriods",
        "Threshold",
        "ComparisonOperator",
        "TreatMissingData",
    ];
    for name in names {
        form.push((name, element(alarm, name).unwrap_or_else(|| unreachable!("no {name}"))));
    }
    let action = element(alarm, "AlarmActions").and_then(|it| element(it, "member")).unwrap();
    assert_eq!(action, TOPIC);
    form.push(("AlarmActions.member.1", action));
    form.push(("Dimensions.member.1.Name", "QueueName"));
    form.push(("Dimensions.member.1.Value", DEAD_LETTER_QUEUE));
    cloudwatch(platform, &form).await;
}
