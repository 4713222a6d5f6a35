"""The local stack: real Terraform and the packaged zips on MiniStack, with our emulator for Custom Labels."""
