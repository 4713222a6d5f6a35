# The example hands its inputs on. It needs the zips of `make package`.

mock_provider "aws" { source = "../../tests/mocks" }

variables {
  project_arn         = "arn:aws:rekognition:us-east-1:123456789012:project/logos/1700000000000"
  project_version_arn = "arn:aws:rekognition:us-east-1:123456789012:project/logos/version/logos.1/1700000000001"
  name                = "logos"
}

run "hands_its_inputs_on" {
  command = plan

  variables {
    schedule_enabled = false
    alarm_emails     = ["vision@example.com"]
  }

  assert {
    condition     = output.analyze_function_name == "logos-analyze-image" && output.runs_table_name == "logos-runs"
    error_message = "The name must reach the module, and the module's outputs the caller."
  }

  assert {
    condition     = local.redrive_principal_arns == tolist(["arn:aws:iam::123456789012:role/on-call", "arn:aws:iam::123456789012:role/*/on-call"])
    error_message = "Whoever applies must be let redrive: the role of the session, under any path."
  }
}
