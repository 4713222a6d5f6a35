# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

run "adds_a_rule_and_hands_its_inputs_on" {
  command = plan

  assert {
    condition     = output.pipeline.source_bucket_name == "logos-photos-123456789012" && output.pipeline.analyze_function_name == "logos-analyze-image"
    error_message = "The account's bucket and the name must reach the module, and the module's outputs the caller."
  }

  assert {
    condition     = aws_s3_bucket_notification.photos.eventbridge && output.pipeline.source_notification == null
    error_message = "The bucket must send to EventBridge, and there is nothing else to add."
  }
}
