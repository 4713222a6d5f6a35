# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

variables {
  name                = "logos"
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
}

run "hands_its_inputs_on" {
  command = plan

  assert {
    condition     = output.pipeline.source_bucket_name == "logos-photos-123456789012" && output.pipeline.analyze_function_name == "logos-analyze-image"
    error_message = "The account's bucket and the name must reach the module, and the module's outputs the caller."
  }
}
