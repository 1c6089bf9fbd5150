"""REST APIs, through a stack as the platform deploys them."""

import gzip
import json
import socket
import threading
import zlib
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from cloud import eventually, http, unique
from templates import API, NAMED_API


@pytest.fixture(scope="module")
def api(cloud):
    parameters = {"Code": str(cloud.code("api")), "Memory": str(cloud.memory)}
    outputs = cloud.deploy("api", API, **parameters)
    outputs["Url"] = f"{cloud.endpoint}/_aws/execute-api/{outputs['ApiId']}/v1"
    return outputs


def bearer(word):
    return {"Authorization": f"Bearer {word}"}


def test_an_event_has_the_members_that_aws_sends(api, alarm):
    event = http(api["Url"] + "/open?a=1&a=2", X_Custom="yes").json
    context = event["requestContext"]
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert context["path"] == "/v1/open" and context["stage"] == "v1" and context["resourcePath"] == "/open"
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["requestId"] and context["httpMethod"] == "GET"


@pytest.mark.guards("apigateway.bodies")
def test_a_body_reaches_the_function_as_it_was_sent(api):
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    for body in (b'{"a": "b&c=d"}', b"x" * 600_000):
        event = http(api["Url"] + "/open", "POST", body, **form).json
        assert event["body"] == body.decode()


@pytest.mark.guards("apigateway.addresses")
def test_an_api_that_chooses_its_id_has_a_short_address_that_outlasts_its_stack(cloud):
    stack = unique("named")
    for _ in range(2):
        assert cloud.deploy(stack, NAMED_API)["ApiId"] == "named"
        for path in ("", "/", "/a", "/a/b%20c?d=e", "//a"):
            short, long = (http(f"{cloud.endpoint}{at}/named/v1{path}") for at in ("", "/_aws/execute-api"))
            assert (short.status, short.body) == (200, long.body), path
        # A browser sends its page's origin with each form. The API decides on it, not LocalStack.
        assert http(f"{cloud.endpoint}/named/v1/a", Origin="http://127.0.0.1:1").status == 200
        cloud.delete(stack)
        assert http(f"{cloud.endpoint}/named/v1/a").status == 404


# -- authorizers -----------------------------------------------------------------------------------------------------


@pytest.mark.guards("apigateway.authorizers")
def test_an_authorizers_context_reaches_the_function_as_strings(api):
    event = http(api["Url"] + "/token/1", **bearer("alice")).json
    authorizer = event["requestContext"]["authorizer"]
    assert authorizer["principalId"] == "alice"
    assert (authorizer["scope"], authorizer["number"], authorizer["flag"]) == ("customer", "7", "true")


@pytest.mark.guards("apigateway.authorizers")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Basic x"}, 401),
        (bearer("unauthorized"), 401),
        (bearer("deny"), 403),
        (bearer("crash"), 500),
        (bearer("nonsense"), 500),
        (bearer("object"), 500),
    ],
)
def test_a_token_authorizer_fails_closed(api, cloud, headers, status):
    before = len(cloud.seen(api["Backend"]))
    assert http(api["Url"] + "/token/1", **headers).status == status
    assert len(cloud.seen(api["Backend"])) == before


@pytest.mark.guards("apigateway.authorizers")
def test_the_authorizer_is_called_once_while_its_result_is_cached(api, cloud):
    for path in ("/token/1", "/token/2", "/token/1"):
        assert http(api["Url"] + path, **bearer("cached")).status == 200
    calls = [s for s in cloud.seen(api["Authorizer"]) if s["event"].get("authorizationToken") == "Bearer cached"]
    assert len(calls) == 1
    assert calls[0]["event"]["methodArn"].endswith(f":{api['ApiId']}/v1/GET/token/1")


@pytest.mark.guards("apigateway.authorizers")
def test_a_request_authorizer_sees_the_request(api, cloud):
    assert http(api["Url"] + "/request?q=1", **bearer("bob")).status == 200
    assert http(api["Url"] + "/request?q=2", **bearer("bob")).status == 200  # a TTL of 0: not cached
    assert http(api["Url"] + "/request").status == 401
    calls = [s["event"] for s in cloud.seen(api["Authorizer"]) if s["event"].get("type") == "REQUEST"]
    assert [event["queryStringParameters"] for event in calls] == [{"q": "1"}, {"q": "2"}]
    assert calls[0]["requestContext"]["stage"] == "v1" and calls[0]["resource"] == "/request"


# -- gateway responses -----------------------------------------------------------------------------------------------


@pytest.mark.guards("apigateway.responses", "apigateway.definitions")
def test_a_gateway_response_is_rendered_with_its_variables(api):
    response = http(
        api["Url"] + "/things", "POST", {"name": "too long", "more": 1}, **bearer("carol"),
        Idempotency_Key="k", X_Given="given",
    )  # fmt: skip
    assert response.status == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request"] == response.json["id"] and response.headers["X-Echo"] == "given"
    assert response.json["type"] == "BAD_REQUEST_BODY" and response.json["message"] == "Invalid request body"
    assert response.json["path"] == "/v1/things" and response.json["who"] == "carol"
    assert "/name" in response.json["detail"] and "more" in response.json["detail"]


@pytest.mark.guards("apigateway.responses", "apigateway.definitions")
def test_a_body_that_is_not_json_is_rejected(api):
    response = http(api["Url"] + "/things", "POST", b"{nope", **bearer("carol"), Idempotency_Key="k")
    assert response.status == 422 and response.json["detail"] == "[the body is not JSON]"


@pytest.mark.guards("apigateway.malformed")
@pytest.mark.parametrize(
    ("body", "encoding", "detail"),
    [
        (b"[" * 100_000, "identity", "[the body is nested too deeply]"),
        (b'{"name":' * 100_000 + b"1" + b"}" * 100_000, "identity", "[the body is nested too deeply]"),
        (b'{"name": "\xff"}', "identity", "[the body is not JSON]"),
        (b'{"name": ' + b"9" * 100_000 + b"}", "identity", "[the body is not JSON]"),
        (b'{"name": "x"}', "gzip", "[the body is not what its Content-Encoding says]"),
    ],
    ids=["nested", "nested-objects", "not-utf-8", "digits", "not-gzip"],
)
def test_an_unreadable_body_is_a_client_error(api, body, encoding, detail):
    headers = {"Idempotency_Key": "k", "Content_Encoding": encoding}
    response = http(api["Url"] + "/things", "POST", body, **bearer("carol"), **headers)
    assert response.status == 422 and response.json["detail"] == detail


@pytest.mark.parametrize(
    "body",
    [{"name": "x" * 1_000_000}, {"x" * 1_000_000: 1, "name": "x"}, [1] * 500_000, {"name": ["x"] * 500_000}],
    ids=["value", "name", "list", "list-inside"],
)
@pytest.mark.guards("apigateway.responses")
def test_a_large_body_is_not_sent_back(api, body):
    response = http(api["Url"] + "/things", "POST", body, **bearer("carol"), Idempotency_Key="k")
    assert response.status == 422 and 20 < len(response.json["detail"]) < 1000


def raw(api, request: bytes) -> bytes:
    """The status line of the response."""
    url = urlsplit(api["Url"])
    with socket.create_connection((url.hostname, url.port), 10) as connection:
        connection.sendall(request.replace(b"PATH", url.path.encode() + b"/open"))
        return connection.makefile("rb").readline().strip()


@pytest.mark.parametrize("length", [b"-1", b"x", b"+1", b"1_0", b"1, 2", b"9" * 99])
def test_an_invalid_content_length_is_rejected(api, length):
    request = b"POST PATH HTTP/1.1\r\nHost: x\r\nContent-Length: %s\r\n\r\n{}" % length
    assert raw(api, request).startswith(b"HTTP/1.1 400 ")


def test_a_chunk_without_a_length_is_rejected(api):
    request = b"POST PATH HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}"
    assert raw(api, request).startswith(b"HTTP/1.1 400 ")


def test_a_request_line_that_is_too_long_is_rejected(api):
    request = b"GET PATH/%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 200_000)
    assert raw(api, request).startswith(b"HTTP/1.1 414 ")


@pytest.mark.guards("apigateway.responses", "apigateway.definitions")
@pytest.mark.parametrize(("method", "path"), [("GET", "/absent"), ("DELETE", "/open")])
def test_a_route_that_does_not_exist_can_be_404(api, method, path):
    response = http(api["Url"] + path, method)
    assert response.status == 404 and response.json == {"type": "not-found"}


@pytest.mark.guards("apigateway.responses", "apigateway.definitions")
def test_a_default_response_is_used_for_errors_without_their_own(api):
    response = http(api["Url"] + "/token/1", **bearer("deny"))
    assert response.status == 403 and response.headers["X-Default"] == "4"
    assert response.json == {"Message": "User is not authorized to access this resource with an explicit deny"}


@pytest.mark.guards("apigateway.header-case")
def test_a_required_header_may_come_in_lower_case(api):
    def post(**headers):
        return http(api["Url"] + "/things", "POST", {"name": "ok"}, **bearer("dave"), **headers).status

    url = urlsplit(api["Url"] + "/things")
    connection = HTTPConnection(url.netloc)  # urllib would capitalize the names
    headers = {"authorization": "Bearer dave", "idempotency-key": "k", "content-type": "application/json"}
    connection.request("POST", url.path, json.dumps({"name": "ok"}), headers)
    assert connection.getresponse().status == 200
    assert post(Idempotency_Key="k") == 200
    assert post() == 400


# -- limits ----------------------------------------------------------------------------------------------------------


@pytest.mark.guards("apigateway.size")
def test_a_body_over_ten_megabytes_is_too_large(api, cloud):
    assert http(api["Url"] + "/open", "POST", b"x" * (10 * 1024 * 1024 + 1)).status == 413
    assert http(api["Url"] + "/open", "POST", b"x" * 1_000_000).status == 200


@pytest.mark.guards("apigateway.throttling", "cloudformation.stages")
def test_a_method_is_throttled_by_its_own_settings(api):
    responses = [http(api["Url"] + "/slow/1") for _ in range(4)]
    assert [response.status for response in responses] == [200, 200, 429, 429]
    assert responses[3].json == {"type": "throttled"}
    assert [http(api["Url"] + "/open").status for _ in range(4)] == [200] * 4


@pytest.mark.guards("apigateway.usage-plans")
def test_a_usage_plan_throttles_its_client(api):
    key = {"x-api-key": "throttle-0123456789-0123456789-api"}
    assert [http(api["Url"] + "/keyed", **key).status for _ in range(3)] == [200, 200, 429]
    assert http(api["Url"] + "/keyed").status == 403


@pytest.mark.guards("apigateway.usage-plans")
def test_a_quota_ends(api):
    key = {"x-api-key": "quota-0123456789-0123456789-api"}
    responses = [http(api["Url"] + "/quota", **key) for _ in range(5)]
    assert [response.status for response in responses] == [200, 200, 200, 429, 429]
    assert responses[3].json["message"] == "Limit Exceeded"


# -- compression -----------------------------------------------------------------------------------------------------


@pytest.mark.guards("apigateway.compression")
@pytest.mark.parametrize(
    ("accepted", "coding"), [("gzip", "gzip"), ("br, deflate", "deflate"), ("deflate, gzip", "gzip")]
)
def test_a_long_response_is_compressed_if_the_client_accepts_it(api, accepted, coding):
    long = http(api["Url"] + "/open", "POST", b"x" * 20_000, Accept_Encoding=accepted)
    assert long.headers["Content-Encoding"] == coding
    assert len(long.body) < 5_000 and int(long.headers["Content-Length"]) == len(long.body)
    text = gzip.decompress(long.body) if coding == "gzip" else zlib.decompress(long.body)
    assert json.loads(text)["body"] == "x" * 20_000


@pytest.mark.parametrize(
    ("length", "headers"),
    [
        (10, {"Accept_Encoding": "gzip"}),
        (20_000, {}),
        (20_000, {"Accept_Encoding": "*"}),
        (20_000, {"Accept_Encoding": "br, gzip;q=0"}),
    ],
)
def test_a_short_or_unaccepted_response_is_not_compressed(api, length, headers):
    plain = http(api["Url"] + "/open", "POST", b"x" * length, **headers)
    assert plain.headers["Content-Encoding"] is None and plain.json["body"] == "x" * length


# -- access logs -----------------------------------------------------------------------------------------------------


@pytest.mark.guards("apigateway.access-logs", "cloudformation.stages")
def test_each_request_is_a_line_in_the_access_log(api, cloud):
    response = http(api["Url"] + "/token/77", **bearer("logged"))
    http(api["Url"] + "/absent/77")

    def lines():
        found = [json.loads(line) for line in cloud.log_lines(api["AccessLog"])]
        return {line["path"]: line for line in found if line["path"].endswith("/77")}

    eventually(lambda: len(lines()) == 2)
    good, bad = lines()["/v1/token/77"], lines()["/v1/absent/77"]
    assert good["requestId"] == response.headers["x-amzn-RequestId"]
    assert (good["status"], good["who"], good["integration"], good["error"]) == ("200", "logged", "200", "-")
    assert good["resource"] == "/token/{id}" and good["ip"] == "127.0.0.1"
    assert int(good["latency"]) >= 0 and int(good["length"]) == len(response.body)
    assert (bad["status"], bad["who"], bad["latency"]) == ("404", "-", "-")
    assert bad["error"] == "Missing Authentication Token"


def test_concurrent_clients_each_get_their_own_response(api):
    wrong = []

    def client(number):
        for turn in range(10):
            query = f"{number}-{turn}"
            if http(f"{api['Url']}/open?q={query}").json["queryStringParameters"] != {"q": query}:
                wrong.append(query)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
