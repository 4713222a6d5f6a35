# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{\"Version\":\"2012-10-17\",\"Statement\":[]}" }
  }

  mock_data "aws_region" {
    defaults = { id = "us-east-1" }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "000000000000" }
  }

  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::000000000000:policy/house/boundary" }
  }

  mock_resource "aws_subnet" {
    defaults = { id = "subnet-0a1b2c3d" }
  }

  mock_resource "aws_security_group" {
    defaults = { id = "sg-0a1b2c3d" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::000000000000:role/mock" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:us-east-1:000000000000:mock" }
  }

  mock_resource "aws_lambda_event_source_mapping" {
    defaults = { arn = "arn:aws:lambda:us-east-1:000000000000:event-source-mapping:11111111-2222-3333-4444-555555555555" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:000000000000:log-group:mock" }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:000000000000:mock" }
  }

  mock_resource "aws_sfn_state_machine" {
    defaults = { arn = "arn:aws:states:us-east-1:000000000000:stateMachine:mock" }
  }
}

variables {
  name                = "logos"
  project_arn         = "arn:aws:rekognition:us-east-1:000000000000:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:000000000000:project/logos/version/logos.1/1700000000001"
}

run "hands_its_inputs_on" {
  # The boundary, the subnet and the group have no attributes before they are there.
  command = apply

  assert {
    condition     = output.pipeline.analyze_function_name == "logos-analyze-image" && output.pipeline.kms_key_policy_json != ""
    error_message = "The name must reach the module, and the module's outputs the caller."
  }
}
