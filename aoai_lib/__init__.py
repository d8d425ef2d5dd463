"""Assess, harden and prove the security of Azure OpenAI accounts."""
