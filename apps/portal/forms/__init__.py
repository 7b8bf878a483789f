"""What people fill in. A form turns text into values; whether they are allowed is for the services to say."""

from django import forms

from apps.common.errors import ArtemisError


def show_error(form: forms.BaseForm, error: ArtemisError) -> None:
    """Puts a service's refusal beside the field that it is about."""
    form.add_error(error.param if error.param in form.fields else None, error.message)
