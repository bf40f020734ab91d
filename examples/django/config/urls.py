from api import views
from django.urls import path

urlpatterns = [path("data", views.Data.as_view())]
