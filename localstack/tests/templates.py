"""Templates of the tests."""

NAMED_API = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Tags: {_custom_id_: named}
      PropagateTags: true
      DefinitionBody:
        openapi: 3.0.1
        info: {title: test, version: '1'}
        paths:
          /: {get: &responses {responses: {}, x-amazon-apigateway-integration: {type: mock, requestTemplates: {application/json: '{"statusCode": 200}'}, responses: {default: {statusCode: 200, responseTemplates: {application/json: '{"path": "$context.path"}'}}}}}}
          '/{name+}': {get: *responses}
Outputs:
  ApiId: {Value: !Ref Api}
"""

API = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Code: {Type: String}
  Memory: {Type: String}
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Timeout: 5
    CodeUri: {Bucket: hot-reload, Key: !Ref Code}
    Environment: {Variables: {MEMORY_DIR: !Ref Memory}}
Resources:
  Backend: {Type: AWS::Serverless::Function}
  Authorizer: {Type: AWS::Serverless::Function}
  AccessLog: {Type: AWS::Logs::LogGroup, Properties: {RetentionInDays: 7}}
  Api:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      MinimumCompressionSize: 20000
      AccessLogSetting:
        DestinationArn: !GetAtt AccessLog.Arn
        Format: >-
          {"requestId":"$context.requestId","path":"$context.path","resource":"$context.resourcePath",
          "status":"$context.status","ip":"$context.identity.sourceIp","who":"$context.authorizer.principalId",
          "latency":"$context.integrationLatency","integration":"$context.integration.status",
          "error":"$context.error.message","length":"$context.responseLength"}
      MethodSettings:
        - {ResourcePath: /*, HttpMethod: '*', ThrottlingRateLimit: 1000, ThrottlingBurstLimit: 1000}
        - {ResourcePath: '/slow/{id}', HttpMethod: GET, ThrottlingRateLimit: 0.1, ThrottlingBurstLimit: 2}
      DefinitionBody:
        openapi: 3.0.1
        info: {title: test, version: '1'}
        x-amazon-apigateway-request-validators: {all: {validateRequestBody: true, validateRequestParameters: true}}
        x-amazon-apigateway-gateway-responses:
          BAD_REQUEST_BODY:
            statusCode: 422
            responseParameters:
              gatewayresponse.header.Content-Type: "'application/problem+json'"
              gatewayresponse.header.X-Request: context.requestId
              gatewayresponse.header.X-Echo: method.request.header.X-Given
            responseTemplates:
              application/json: >-
                {"type":"$context.error.responseType","message":$context.error.messageString,
                "detail":"$context.error.validationErrorString","id":"$context.requestId",
                "path":"$context.path","who":"$context.authorizer.principalId"}
          MISSING_AUTHENTICATION_TOKEN: {statusCode: 404, responseTemplates: {application/json: '{"type":"not-found"}'}}
          THROTTLED: {responseTemplates: {application/json: '{"type":"throttled"}'}}
          DEFAULT_4XX: {responseParameters: {gatewayresponse.header.X-Default: "'4'"}}
        components:
          schemas:
            Thing:
              type: object
              required: [name]
              additionalProperties: false
              properties: {name: {type: string, maxLength: 5}}
          securitySchemes:
            token:
              type: apiKey
              name: Authorization
              in: header
              x-amazon-apigateway-authtype: custom
              x-amazon-apigateway-authorizer: &authorizer
                type: token
                authorizerUri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Authorizer.Arn}/invocations
                authorizerResultTtlInSeconds: 60
                identityValidationExpression: ^Bearer .+$
            request:
              type: apiKey
              name: Authorization
              in: header
              x-amazon-apigateway-authtype: custom
              x-amazon-apigateway-authorizer:
                <<: *authorizer
                type: request
                identitySource: method.request.header.Authorization
                authorizerResultTtlInSeconds: 0
            key: {type: apiKey, name: x-api-key, in: header}
        paths:
          /open: &open
            get: &method
              responses: {'200': {description: ok}}
              x-amazon-apigateway-integration: &integration
                type: aws_proxy
                httpMethod: POST
                uri: !Sub arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Backend.Arn}/invocations
            post: *method
          '/slow/{id}': *open
          '/token/{id}': {get: {<<: *method, security: [{token: []}]}}
          /request: {get: {<<: *method, security: [{request: []}]}}
          /keyed: {get: {<<: *method, security: [{key: []}]}}
          /quota: {get: {<<: *method, security: [{key: []}]}}
          /things:
            post:
              <<: *method
              security: [{token: []}]
              x-amazon-apigateway-request-validator: all
              parameters: [{name: Idempotency-Key, in: header, required: true, schema: {type: string}}]
              requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Thing'}}}}
  BackendPermission:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Backend, Action: lambda:InvokeFunction, Principal: apigateway.amazonaws.com}
  AuthorizerPermission:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Authorizer, Action: lambda:InvokeFunction, Principal: apigateway.amazonaws.com}
  Plan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      Throttle: {RateLimit: 0.1, BurstLimit: 2}
      ApiStages: [{ApiId: !Ref Api, Stage: !Ref Api.Stage}]
  Key: {Type: AWS::ApiGateway::ApiKey, Properties: {Value: !Sub 'throttle-0123456789-0123456789-${AWS::StackName}', Enabled: true}}
  PlanKey: {Type: AWS::ApiGateway::UsagePlanKey, Properties: {KeyId: !Ref Key, KeyType: API_KEY, UsagePlanId: !Ref Plan}}
  QuotaPlan:
    Type: AWS::ApiGateway::UsagePlan
    Properties:
      Quota: {Limit: 3, Period: DAY}
      ApiStages: [{ApiId: !Ref Api, Stage: !Ref Api.Stage}]
  QuotaKey: {Type: AWS::ApiGateway::ApiKey, Properties: {Value: !Sub 'quota-0123456789-0123456789-${AWS::StackName}', Enabled: true}}
  QuotaPlanKey:
    Type: AWS::ApiGateway::UsagePlanKey
    Properties: {KeyId: !Ref QuotaKey, KeyType: API_KEY, UsagePlanId: !Ref QuotaPlan}
Outputs:
  ApiId: {Value: !Ref Api}
  Backend: {Value: !Ref Backend}
  Authorizer: {Value: !Ref Authorizer}
  AccessLog: {Value: !Ref AccessLog}
"""

SERVICE = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Code: {Type: String}
  Memory: {Type: String}
Globals:
  Function:
    Runtime: provided.al2023
    Handler: bootstrap
    Timeout: 5
    CodeUri: {Bucket: hot-reload, Key: !Ref Code}
    Environment: {Variables: {MEMORY_DIR: !Ref Memory}}
Resources:
  Command: {Type: AWS::Serverless::Function, Properties: {AutoPublishAlias: live, AutoPublishAliasAllProperties: true}}
  AliasPermission:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Command.Alias, Action: lambda:InvokeFunction, Principal: events.amazonaws.com}
  RoleName: {Type: AWS::SSM::Parameter, Properties: {Type: String, Value: !GetAtt CommandRole.Arn}}
  Query: {Type: AWS::Serverless::Function}
  Project: {Type: AWS::Serverless::Function}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: pk, AttributeType: S}]
      KeySchema: [{AttributeName: pk, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Queue: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: 30}}
Outputs:
  Function: {Value: !Ref Command}
  Alias: {Value: !Ref Command.Alias}
  Role: {Value: !GetAtt CommandRole.Arn}
  Queue: {Value: !Ref Queue}
"""
